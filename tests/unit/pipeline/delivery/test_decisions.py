from datetime import UTC, datetime, timedelta

import pytest

from pipeline.delivery.decisions import (
    PAUSED_SPREAD_S,
    Attempt,
    attempted,
    delivery,
    device_news,
    expired,
    kept_back,
    paused_delay_s,
    summary,
)
from pipeline.push.outcome import Action, Decision, Outcome, OutcomeKind
from storage.claims import Claimed
from storage.outgoing import Target

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def claimed(*, reached: bool = False) -> Claimed:
    return Claimed(
        id=1, post_id=2, user_id=3, user="minji", attempts=1, created_at=NOW, phrase=None, badge=1, reached=reached
    )


def target(**changes: object) -> Target:
    values: dict[str, object] = {
        "notification_id": 1,
        "device_id": 1,
        "platform": "fcm",
        "token": "t",
        "environment": None,
        "last_seen_at": NOW,
        "attempts": 0,
        **changes,
    }
    return Target(**values)  # type: ignore[arg-type]


def attempt(action: Action, *, delay_s: float = 0, code: str = "X") -> Attempt:
    return Attempt(
        target=target(),
        outcome=Outcome(kind=OutcomeKind.RETRY, code=code),
        decision=Decision(action=action, delay_s=delay_s, reason=code),
    )


SENT, FAILED, EXPIRED = (attempt(action) for action in (Action.SENT, Action.FAILED, Action.EXPIRED))
RETRY, LATER = attempt(Action.RETRY, delay_s=5), attempt(Action.RETRY, delay_s=60)
WAIT = attempt(Action.WAIT, delay_s=30, code="fcm waits: not_configured")


@pytest.mark.parametrize(
    ("attempts", "status", "reason"),
    [
        ([SENT], "sent", None),
        ([SENT, FAILED], "sent", None),
        ([SENT, EXPIRED], "sent", None),
        ([FAILED], "failed", "X"),
        ([FAILED, EXPIRED], "failed", "X"),
        ([EXPIRED, FAILED], "failed", "X"),
        ([EXPIRED], "skipped", "too old"),
        ([], "skipped", "no device"),
        ([SENT, RETRY], "pending", "X"),
        ([FAILED, WAIT], "pending", "fcm waits: not_configured"),
        ([RETRY, LATER, WAIT], "pending", "X; fcm waits: not_configured"),
    ],
)
def test_what_the_devices_make_of_a_notification(attempts: list[Attempt], status: str, reason: str | None) -> None:
    record = summary(claimed(), attempts, now=NOW)
    assert (record.status, record.reason) == (status, reason)


def test_a_notification_that_reached_a_phone_before_is_sent_whatever_becomes_of_the_rest() -> None:
    assert summary(claimed(reached=True), [FAILED], now=NOW).status == "sent"
    assert summary(claimed(reached=True), [], now=NOW).status == "sent"


def test_the_next_attempt_is_the_soonest_of_the_devices() -> None:
    assert summary(claimed(), [LATER, RETRY, WAIT], now=NOW).next_attempt_at == NOW + timedelta(seconds=5)


def test_waiting_for_a_paused_channel_does_not_count_as_an_attempt() -> None:
    assert not summary(claimed(), [WAIT], now=NOW).counts
    assert summary(claimed(), [WAIT, RETRY], now=NOW).counts


def test_a_channel_that_is_down_is_tried_again_after_a_minute_however_often() -> None:
    down = Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="not_configured", detail="set X")
    tried = attempted(target(attempts=500), down, age_s=0, ttl_s=259_200, rand=0.5)
    assert tried.decision.action is Action.WAIT
    assert 60 <= tried.decision.delay_s <= 66
    row = delivery(tried, now=NOW)
    assert (row.status, row.attempts, row.code, row.detail) == ("retry", 500, "not_configured", "set X")


def test_what_is_kept_back_leaves_no_row_and_what_is_over_does() -> None:
    assert delivery(kept_back(target(), 5, "fcm quota", age_s=0, ttl_s=60), now=NOW) is None
    late = delivery(kept_back(target(attempts=2), 5, "fcm quota", age_s=56, ttl_s=60), now=NOW)
    assert (late.status, late.attempts) == ("failed", 2)
    gone = delivery(expired(target()), now=NOW)
    assert (gone.status, gone.code, gone.next_attempt_at) == ("failed", "expired", None)


def test_each_device_has_a_time_of_its_own() -> None:
    row = delivery(LATER, now=NOW)
    assert row.next_attempt_at == NOW + timedelta(seconds=60)


def test_what_waits_for_a_channel_comes_back_after_the_next_probe_at_different_times() -> None:
    until = NOW + timedelta(seconds=40)
    assert paused_delay_s(until, NOW, 0.0) == 40
    assert paused_delay_s(until, NOW, 0.5) == 40 + PAUSED_SPREAD_S / 2
    assert paused_delay_s(NOW - timedelta(days=1), NOW, 0.0) == 1


def test_a_token_is_dead_unless_the_app_registered_later_than_the_vendor_says() -> None:
    def news(dead_since: datetime | None) -> dict[int, str]:
        outcome = Outcome(kind=OutcomeKind.TOKEN_DEAD, code="Unregistered", dead_since=dead_since, answered=True)
        tried = attempted(target(platform="apns"), outcome, age_s=0, ttl_s=60, rand=0)
        return device_news([tried], now=NOW).dead

    assert news(None) == {1: "Unregistered"}
    assert news(NOW + timedelta(seconds=1)) == {1: "Unregistered"}
    assert news(NOW - timedelta(seconds=1)) == {}


def test_the_environment_that_worked_is_news_only_when_it_is_another() -> None:
    def news(known: str | None) -> dict[int, str]:
        outcome = Outcome(kind=OutcomeKind.DELIVERED, environment="sandbox", answered=True)
        tried = attempted(target(platform="apns", environment=known), outcome, age_s=0, ttl_s=60, rand=0)
        return device_news([tried], now=NOW).environments

    assert news(None) == news("production") == {1: "sandbox"}
    assert news("sandbox") == {}


def test_only_an_answer_about_one_device_slows_that_device() -> None:
    def news(code: str) -> dict[int, datetime]:
        outcome = Outcome(kind=OutcomeKind.RETRY, code=code, retry_after_s=60, answered=True)
        return device_news([attempted(target(), outcome, age_s=0, ttl_s=600, rand=0)], now=NOW).busy

    assert news("TooManyRequests") == {1: NOW + timedelta(seconds=60)}
    assert news("QUOTA_EXCEEDED") == news("TooManyProviderTokenUpdates") == {}
