import json
import logging
from zoneinfo import ZoneInfo

from pipeline.logs import HumanFormatter, JSONFormatter

SEOUL = HumanFormatter(ZoneInfo("Asia/Seoul"))


def record(event: str, level: int = logging.INFO, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("pipeline.test", level, "file.py", 1, event, (), None)
    made.created = 1_763_683_200.0
    made.fields = fields
    return made


def test_an_event_is_one_line_in_the_configured_time_zone() -> None:
    line = SEOUL.format(record("crawl finished", site="demo", pages=1))
    assert line == "09:00:00 crawl finished: site=demo pages=1"


def test_a_warning_says_so() -> None:
    assert SEOUL.format(record("crawl failed", logging.WARNING)).startswith("09:00:00 warning: crawl failed")


def test_a_value_with_blanks_is_quoted() -> None:
    assert SEOUL.format(record("post", title="국가 장학금")).endswith('title="국가 장학금"')


def test_a_title_cannot_forge_a_line_or_move_the_cursor() -> None:
    line = SEOUL.format(record("post", title="x\n09:00:00 push delivered\x1b[2J"))
    assert "\n" not in line
    assert "\x1b" not in line


def test_json_lines_keep_korean_and_the_fields() -> None:
    entry = json.loads(JSONFormatter().format(record("post fanned out", title="장학", users=3)))
    assert (entry["event"], entry["title"], entry["users"], entry["level"]) == ("post fanned out", "장학", 3, "info")
