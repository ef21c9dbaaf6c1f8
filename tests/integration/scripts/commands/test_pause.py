"""`crawlpush pause` and `resume`: what they say, what they refuse, and who else says it."""

import json

import pytest

from tests.integration.scripts.commands.test_commands import Run, refused, run

__all__ = ["run"]
LISTING = ("sites", "add", "board", "--spider", "listing", "--row", "tr", "--title", "a", "--no-check", "--url")


@pytest.fixture(autouse=True)
def _board(run: Run) -> None:
    run(*LISTING, "https://board.test")


def test_a_pause_is_shown_with_its_way_out_until_it_is_resumed(run: Run) -> None:
    assert run("pause", "all").output.splitlines() == ["all crawls are paused", "all pushes are paused"]
    assert "already" in run("pause", "crawl").output
    run("pause", "push", "--channel", "fcm")
    run("pause", "crawl", "--site", "board")
    shown = run("status", code=1).output
    for way_out in ("crawl", "push", "push --channel fcm", "crawl --site board"):
        assert f"(`crawlpush resume {way_out}`)" in shown
    in_force = json.loads(run("status", "--json", code=1).stdout)["pauses"]
    assert [(p["activity"], p["site"], p["channel"]) for p in in_force] == [
        ("crawl", None, None),
        ("push", None, "fcm"),
        ("push", None, None),
        ("crawl", "board", None),
    ]
    # What still holds is said, so that nobody takes a part for the whole
    said = run("resume", "all").output
    assert "all crawls go on" in said
    assert "crawlpush resume push --channel fcm" in said
    run("resume", "push", "--channel", "fcm")
    assert run("resume", "crawl", "--site", "board").output.count("paused") == 0
    assert "were not paused" in run("resume", "crawl").output
    assert json.loads(run("status", "--json", code=1).stdout)["pauses"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("crawl", "--channel", "fcm"), "--channel is about pushes"),
        (("all", "--channel", "fcm"), "--channel is about pushes"),
        (("push", "--channel", "fcm", "--site", "board"), "either --site or --channel"),
        (("push", "--channel", "pigeon"), "pigeon"),
        (("everything",), "everything"),
    ],
)
@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_nonsense_is_refused_and_pauses_nothing(run: Run, verb: str, arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(run, verb, *arguments, code=2)
    assert json.loads(run("status", "--json", code=1).stdout)["pauses"] == []


@pytest.mark.parametrize("options", [(), ("--site", "board")])
def test_a_crawl_by_hand_is_refused_while_its_site_is_paused(run: Run, options: tuple[str, ...]) -> None:
    run("pause", "crawl", *options)
    assert " ".join(("crawlpush resume crawl", *options)) in refused(run, "crawl", "board")
    assert json.loads(run("sites", "show", "board", "--json").stdout)["runs"] == []


def test_a_channel_that_an_operator_holds_is_not_called_open(run: Run) -> None:
    run("pause", "push", "--channel", "fcm")
    states = {row["channel"]: row["state"] for row in json.loads(run("channels", "list", "--json").stdout)}
    assert states == {"fcm": "held", "apns": "open", "console": "open"}
    said = run("channels", "resume", "fcm").output
    assert "crawlpush resume push --channel fcm" in said
    assert "open" not in said
