import json
import logging
import sys
import threading
from zoneinfo import ZoneInfo

from celery import Celery

from pipeline.logs import HumanFormatter, JSONFormatter, bound

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


def test_a_line_of_a_task_names_it_and_what_is_bound_unless_it_says_so_itself() -> None:
    app = Celery(set_as_current=False)
    seen: list[dict[str, object]] = []

    @app.task(name="crawl_site", shared=False)
    def task() -> None:
        with bound(site="board"):
            seen.append(json.loads(JSONFormatter().format(record("crawl failed"))))
            seen.append(json.loads(JSONFormatter().format(record("published", task="notify_user"))))
        seen.append(json.loads(JSONFormatter().format(record("over"))))

    identity = task.apply(task_id="an-id").id
    inside, own, after = seen
    assert (inside["task"], inside["task_id"], inside["site"]) == ("crawl_site", identity, "board")
    assert own["task"] == "notify_user"
    assert "site" not in after
    assert "task" not in json.loads(JSONFormatter().format(record("elsewhere")))


def test_what_is_bound_in_one_thread_is_not_said_by_another() -> None:
    other: list[str] = []
    with bound(site="board"):
        thread = threading.Thread(target=lambda: other.append(JSONFormatter().format(record("elsewhere"))))
        thread.start()
        thread.join()
    assert "board" not in other[0]


def test_a_token_in_somebody_else_s_error_is_not_logged() -> None:
    token = "d7xS3cr3t" * 10
    try:
        raise ValueError(f"Key (platform, token)=(fcm, {token}) already exists in redis://user:passw0rd@host")
    except ValueError:
        failed = record("failed", logging.ERROR, error=f"it was {token}")
        failed.exc_info = sys.exc_info()
    for formatter in (SEOUL, JSONFormatter()):
        said = formatter.format(failed)
        assert token not in said
        assert "passw0rd" not in said
        assert "already exists" in said
