"""The moving picture of the command line: every line is in it, each letter where a terminal would show it."""

from xml.etree import ElementTree

from scripts.manual.recording import Screen, svg

SVG = "{http://www.w3.org/2000/svg}"
SCREENS = [
    Screen(command="crawlpush sites list", lines=["name  health", "", "demo  <well> & 장학금 x"]),
    Screen(command="crawlpush status", lines=["beat runs"]),
]


def test_each_screen_shows_its_command_and_lines_one_after_the_other() -> None:
    picture = svg(SCREENS)
    shown = ["".join(group.itertext()) for group in ElementTree.fromstring(picture).iterfind(f"{SVG}g")]
    assert shown == ["$crawlpush sites listname  healthdemo  <well> & 장학금 x", "$crawlpush statusbeat runs"]
    assert picture.count("@keyframes s") == len(SCREENS)
    assert "prefers-reduced-motion" in picture


def test_a_wide_letter_takes_two_columns_and_what_follows_begins_behind_it() -> None:
    spans = ElementTree.fromstring(svg(SCREENS)).iter(f"{SVG}tspan")
    columns = {span.text: [round((float(x) - 16) / 8.4) for x in span.get("x", "").split()] for span in spans}
    assert columns["demo  <well> & "] == [0]
    assert columns["장학금"] == [15, 17, 19]
    assert columns[" x"] == [21]
