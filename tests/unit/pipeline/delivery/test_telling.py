"""What became of a notification, in words."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.delivery.telling import waits_until, words
from storage.inbox import NotificationRow

AT = datetime(2026, 12, 1, 14, 30, tzinfo=UTC)
UNTIL = datetime(2026, 12, 1, 23, 10, tzinfo=UTC)


def row(**values: Any) -> NotificationRow:
    nothing = dict.fromkeys(NotificationRow.__dataclass_fields__)
    return NotificationRow(**{**nothing, "next_attempt_at": UNTIL, "status": "pending", **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"reason": "quiet hours", "deferred": "quiet hours"}, "waits until 2026-12-02 08:10: quiet hours"),
        ({"reason": "snooze", "digest_id": 7}, "waits until 2026-12-02 08:10: snooze"),
        ({"reason": "digest", "deferred": "digest", "digest_id": 7}, "goes with digest 7"),
        ({"status": "skipped", "reason": "inbox pace"}, "in the inbox only: inbox pace"),
        ({"status": "skipped", "reason": "dropped by an operator"}, "skipped"),
        ({"status": "sent"}, "sent"),
        ({"reason": "fcm waits: UNAUTHENTICATED"}, "pending"),
    ],
)
def test_a_notification_says_where_a_persons_wishes_are_behind_its_status(values: dict[str, Any], said: str) -> None:
    assert words(row(**values), ZoneInfo("Asia/Seoul")) == said
    assert (waits_until(row(**values)) == UNTIL) == said.startswith("waits")


def test_a_time_of_the_next_24_hours_is_told_without_the_date() -> None:
    waiting = row(reason="quiet hours", deferred="quiet hours")
    assert words(waiting, ZoneInfo("Asia/Seoul"), at=AT) == "waits until 08:10: quiet hours"
    before = AT - timedelta(days=1)
    assert words(waiting, ZoneInfo("Asia/Seoul"), at=before) == "waits until 2026-12-02 08:10: quiet hours"
