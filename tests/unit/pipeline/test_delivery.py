from datetime import UTC, datetime, timedelta

import pytest

from pipeline.delivery import Attempt, summary
from pipeline.push.outcome import Action, Decision, Outcome, OutcomeKind
from storage.claims import Claimed, Target

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def claimed(*, reached: bool = False) -> Claimed:
    return Claimed(
        id=1, post_id=2, user_id=3, user="minji", attempts=1, created_at=NOW, phrase=None, badge=1, reached=reached
    )


def attempt(action: Action, *, delay_s: float = 0, code: str = "X") -> Attempt:
    target = Target(
        notification_id=1, device_id=1, platform="fcm", token="t", environment=None, last_seen_at=NOW, attempts=0
    )
    return Attempt(
        target=target,
        outcome=Outcome(kind=OutcomeKind.RETRY, code=code),
        decision=Decision(action=action, delay_s=delay_s, reason=code),
    )


SENT, FAILED, EXPIRED = (attempt(action) for action in (Action.SENT, Action.FAILED, Action.EXPIRED))
RETRY, LATER = attempt(Action.RETRY, delay_s=5), attempt(Action.RETRY, delay_s=60)
WAIT = attempt(Action.WAIT, delay_s=30)


@pytest.mark.parametrize(
    ("attempts", "status", "reason"),
    [
        ([SENT], "sent", None),
        ([SENT, FAILED], "sent", None),
        ([SENT, EXPIRED], "sent", None),
        ([FAILED], "failed", "X"),
        ([FAILED, EXPIRED], "failed", "X"),
        ([EXPIRED], "skipped", "too old"),
        ([], "skipped", "no device"),
        ([SENT, RETRY], "pending", "X"),
        ([FAILED, WAIT], "pending", "X"),
    ],
)
def test_what_the_devices_make_of_a_notification(attempts: list[Attempt], status: str, reason: str | None) -> None:
    record = summary(claimed(), attempts, expired=False, now=NOW)
    assert (record.status, record.reason) == (status, reason)


def test_a_notification_that_reached_a_phone_before_is_sent_whatever_becomes_of_the_rest() -> None:
    assert summary(claimed(reached=True), [FAILED], expired=False, now=NOW).status == "sent"
    assert summary(claimed(reached=True), [], expired=False, now=NOW).status == "sent"


def test_the_next_attempt_is_the_soonest_of_the_devices() -> None:
    record = summary(claimed(), [LATER, RETRY, WAIT], expired=False, now=NOW)
    assert record.next_attempt_at == NOW + timedelta(seconds=5)


def test_waiting_for_a_paused_channel_does_not_count_as_an_attempt() -> None:
    assert not summary(claimed(), [WAIT], expired=False, now=NOW).counts
    assert summary(claimed(), [WAIT, RETRY], expired=False, now=NOW).counts


def test_a_notice_that_nobody_wants_any_more_is_skipped() -> None:
    record = summary(claimed(), [], expired=True, now=NOW)
    assert (record.status, record.reason) == ("skipped", "too old")
