"""What is to be done after trying a device, and what that makes of the user's notification. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.push.answers import DEVICE_RATE_CODES
from pipeline.push.channel import NOT_SENT
from pipeline.push.outcome import CHANNEL_WAIT_S, SENT, Action, Decision, Outcome, OutcomeKind, decide
from storage.channels import NO_DEVICE
from storage.claims import Claimed
from storage.deferring import Wait
from storage.outcomes import DeliveryRecord, NotificationRecord
from storage.outgoing import Target
from storage.waiting import OPERATOR, fault_of, pause_of, together, words

PAUSED_SPREAD_S = 240.0
"""What waits for a paused channel comes back within so many seconds after the next probe, each at another time: one
of them is the probe, and all of them are due at once when the channel is opened."""
SLOW_S = 5.0
"""Least wait for what a slow vendor had no time for."""

_STATUS = {Action.SENT: "delivered", Action.RETRY: "retry", Action.WAIT: "retry"}


# Not frozen, as one is made for each message: to set the fields of frozen ones takes three times as long.
@dataclass(kw_only=True)
class Attempt:
    """One device of one notification, and what is to be done after trying it."""

    target: Target
    decision: Decision
    # None: nothing was sent to the device, this time.
    outcome: Outcome | None = None
    # The operator's pause that it waits for.
    hold: str | None = None
    # The name of that pause, or of the channel's fault that it waits for (storage.waiting).
    waits_for: str | None = None
    # The vendor's code, if it refused the device, whatever that was taken for.
    refused: str | None = None


def delivered(target: Target, outcome: Outcome) -> Attempt:
    """What it leads to that the vendor accepted a message: nearly every attempt, so made with little."""
    return Attempt(target=target, outcome=outcome, decision=SENT)


def attempted(
    target: Target, outcome: Outcome, refused: str | None = None, /, *, age_s: float, ttl_s: float, rand: float
) -> Attempt:
    """What a vendor's outcome leads to, or that there is none, because nothing was sent to it."""
    if outcome.code == NOT_SENT.code:
        return slow(target, age_s=age_s, ttl_s=ttl_s, rand=rand)
    if outcome.kind is OutcomeKind.CHANNEL_DOWN and outcome.retry_after_s is None:
        outcome = replace(outcome, retry_after_s=CHANNEL_WAIT_S)
    decision = decide(outcome, target.attempts + 1, age_s, ttl_s, rand)
    if decision.action is not Action.WAIT:
        return Attempt(target=target, outcome=outcome, decision=decision, refused=refused)
    fault = fault_of(target.platform)
    decision = replace(decision, reason=words(fault, outcome.code))
    return Attempt(target=target, outcome=outcome, decision=decision, waits_for=fault, refused=refused)


def kept_back(
    target: Target, delay_s: float, reason: str, waits_for: str | None = None, /, *, age_s: float, ttl_s: float
) -> Attempt:
    """A device to which nothing may be sent yet. It costs it no attempt."""
    action = Action.EXPIRED if age_s + delay_s >= ttl_s else Action.WAIT
    return Attempt(target=target, decision=Decision(action=action, delay_s=delay_s, reason=reason), waits_for=waits_for)


def slow(target: Target, /, *, age_s: float, ttl_s: float, rand: float) -> Attempt:
    """A device whose turn did not come, because the vendor takes its time with those before it."""
    return kept_back(target, SLOW_S * (1 + 2 * rand), f"{target.platform} is slow", age_s=age_s, ttl_s=ttl_s)


def held(target: Target, hold: str, *, age_s: float, ttl_s: float) -> Attempt:
    """A device to which an operator lets nothing go.

    The end of the pause makes it due; until then nobody looks at it again before its time to live is over.
    """
    pause = pause_of(hold)
    decision = Decision(action=Action.WAIT, delay_s=ttl_s - age_s, reason=words(pause, OPERATOR))
    return Attempt(target=target, decision=decision, hold=hold, waits_for=pause)


def expired(target: Target) -> Attempt:
    """A device whose notification nobody wants to see any more."""
    return Attempt(target=target, decision=Decision(action=Action.EXPIRED, reason="expired"))


def paused_delay_s(until: datetime, now: datetime, rand: float) -> float:
    """How long something waits for a channel that is paused until a time. rand: a number in [0, 1)."""
    return max((until - now).total_seconds(), 1.0) + PAUSED_SPREAD_S * rand


def summary(
    notification: Claimed, attempts: Sequence[Attempt], *, now: datetime, expired: str = "too old"
) -> NotificationRecord:
    """What the outcomes on a user's devices make of their notification.

    It is pending as long as one device may still be reached; sent when any device was; and otherwise failed, or
    skipped when there was nothing to be done (no device, or `expired`, which says why nobody wants it any more).
    One that replaces what is shown stays sent, whatever becomes of that.
    """
    replaces = notification.to_show is not None
    if not replaces and len(attempts) == 1 and attempts[0].decision is SENT:
        # Nearly all of them.
        return NotificationRecord(id=notification.id, status="sent")
    waiting = [a for a in attempts if a.decision.action is Action.RETRY or a.decision.action is Action.WAIT]
    if waiting:
        open_ = [a.decision for a in waiting]
        return NotificationRecord(
            id=notification.id,
            status="sent" if replaces else "pending",
            next_attempt_at=now + timedelta(seconds=min(d.delay_s for d in open_)),
            # All of them, each once.
            reason=None if replaces else "; ".join(dict.fromkeys(d.reason for d in open_)),
            waits_for=together({a.waits_for for a in waiting if a.waits_for}),
            counts=replaces or any(d.action is Action.RETRY for d in open_),
            is_replacement=replaces,
        )
    if replaces:
        return replaced(notification)
    if notification.reached or any(a.decision.action is Action.SENT for a in attempts):
        return NotificationRecord(id=notification.id, status="sent")
    if not attempts:
        return NotificationRecord(id=notification.id, status="skipped", reason=NO_DEVICE)
    if all(a.decision.action is Action.EXPIRED for a in attempts):
        return NotificationRecord(id=notification.id, status="skipped", reason=expired)
    reasons = [a.decision.reason for a in attempts if a.decision.action is not Action.EXPIRED]
    return NotificationRecord(id=notification.id, status="failed", reason=reasons[0])


def replaced(notification: Claimed) -> NotificationRecord:
    """What becomes of a notification whose devices show the new text, or are not to be shown it any more."""
    return NotificationRecord(id=notification.id, status="sent", is_replacement=True, shown=notification.to_show)


def delivery(attempt: Attempt, *, now: datetime, version: int | None = None) -> DeliveryRecord | None:
    """The row about one device; None when nothing was sent to it and nothing is over. version: of the text sent."""
    target, outcome, decision = attempt.target, attempt.outcome, attempt.decision
    if outcome is None and decision.action is Action.WAIT:
        return None
    again = decision.action is Action.RETRY or decision.action is Action.WAIT
    # Waiting for a channel is not this device's failure, and what was not sent is no attempt.
    counts = outcome is not None and decision.action is not Action.WAIT
    return DeliveryRecord(
        notification_id=target.notification_id,
        device_id=target.device_id,
        platform=target.platform,
        status="delivered" if target.shows is not None else _STATUS.get(decision.action, "failed"),
        attempts=target.attempts + counts,
        provider_id=outcome.provider_id if outcome else None,
        code=(outcome.code if outcome else decision.reason) or None,
        detail=(outcome.detail if outcome else None) or None,
        next_attempt_at=now + timedelta(seconds=decision.delay_s) if again else None,
        # One that cannot be replaced is left alone until the next edit.
        version=target.shows if again else version,
    )


def put_off(notification: Claimed, wait: Wait) -> NotificationRecord:
    """What becomes of a notification that is not to be sent now.

    It waits for a digest to be made of what waits; one that is a digest's lead already waits as such.
    """
    if wait.inbox_only:
        return NotificationRecord(id=notification.id, status="skipped", reason=wait.reason)
    return NotificationRecord(
        id=notification.id,
        status="pending",
        next_attempt_at=wait.at,
        reason=wait.reason,
        deferred=None if notification.digest_id else wait.reason,
        # One that was shown on a device is never told in a digest: an attempt says so.
        counts=notification.reached,
    )


@dataclass(frozen=True, kw_only=True)
class DeviceNews:
    """What a batch's answers say of devices, by device id."""

    # The vendor's reason for which a token is dead.
    dead: dict[int, str]
    # The APNs environment in which a token turned out to live.
    environments: dict[int, str]
    # Until when the vendor wants nothing more for a device.
    busy: dict[int, datetime]
    # The vendor's code for which a device that may live is refused.
    refused: dict[int, str]
    # Devices that were refused before, and were served now.
    served: set[int]


def device_news(attempts: Sequence[Attempt], *, now: datetime) -> DeviceNews:
    """Which devices are dead, live in the other environment, or want a pause."""
    news = DeviceNews(dead={}, environments={}, busy={}, refused={}, served=set())
    for attempt in attempts:
        target, outcome = attempt.target, attempt.outcome
        if outcome is None:
            continue
        if outcome.kind is OutcomeKind.DELIVERED and target.refused_code is not None:
            news.served.add(target.device_id)
        if attempt.refused is not None and outcome.kind is not OutcomeKind.TOKEN_DEAD:
            news.refused[target.device_id] = attempt.refused
        # The app registered again after the vendor saw the token die: it lives.
        revived = outcome.dead_since is not None and target.last_seen_at > outcome.dead_since
        if outcome.kind is OutcomeKind.TOKEN_DEAD and not revived:
            news.dead[target.device_id] = outcome.code
        elif outcome.kind is OutcomeKind.DELIVERED and outcome.environment not in {None, target.environment}:
            news.environments[target.device_id] = str(outcome.environment)
        elif outcome.code in DEVICE_RATE_CODES and attempt.decision.action is Action.RETRY:
            news.busy[target.device_id] = now + timedelta(seconds=attempt.decision.delay_s)
    return news
