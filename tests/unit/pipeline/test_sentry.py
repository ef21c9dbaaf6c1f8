from typing import Any

from pipeline.sentry import scrubbed

TOKEN = "d7xS3cr3t" * 10


def event() -> dict[str, Any]:
    return {
        "event_id": "0123456789abcdef0123456789abcdef",
        "exception": {
            "values": [
                {"type": "UniqueViolation", "value": f"duplicate key {TOKEN}\nDETAIL: Key (title)=(장학) exists"},
                {"type": "ConnectionError", "value": "redis://user:passw0rd@host refused"},
            ]
        },
        "extra": {"celery-job": {"args": [1, 2]}, "title": "장학"},
        "breadcrumbs": {"values": [{"message": "장학"}]},
        "request": {"url": "https://board.example/?token=1"},
        "logentry": {"message": f"Task failed: {TOKEN}", "params": [TOKEN]},
        "tags": {"celery_task_id": "a-b"},
        "contexts": {"trace": {"trace_id": "0123456789abcdef0123456789abcdef"}},
    }


def test_an_event_keeps_its_kind_and_loses_tokens_passwords_and_payloads() -> None:
    kept: Any = scrubbed(event(), {})  # type: ignore[arg-type]
    said = str(kept)
    for secret in (TOKEN, "passw0rd", "장학", "board.example"):
        assert secret not in said
    assert [found["type"] for found in kept["exception"]["values"]] == ["UniqueViolation", "ConnectionError"]
    assert kept["exception"]["values"][0]["value"].startswith("duplicate key")
    assert kept["event_id"] == event()["event_id"]
    assert kept["contexts"] == event()["contexts"]


def test_an_event_without_an_exception_passes() -> None:
    kept: Any = scrubbed({"message": "channel paused"}, {})
    assert kept == {"message": "channel paused"}
