"""One batch of notifications: claim them, send to each device, record what became of each, all in few statements."""

import logging
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy.orm import Session

from pipeline.composing import compose
from pipeline.push.channel import Channel
from pipeline.push.message import Platform
from pipeline.push.outcome import CHANNEL_WAIT_S, Action, Decision, Outcome, OutcomeKind, decide
from pipeline.resources import now
from storage import channels, claims
from storage.claims import Claimed, DeliveryRecord, NotificationRecord, Target
from storage.notifications import Key
from storage.session import Database

logger = logging.getLogger(__name__)

_STATUS = {Action.SENT: "delivered", Action.RETRY: "retry", Action.WAIT: "retry"}


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One device of one notification, and what is to be done after trying it."""

    target: Target
    outcome: Outcome
    decision: Decision


class Deliveries:
    """Delivers batches of notifications in this process; several threads may do so at once."""

    def __init__(self, database: Database, push: Mapping[Platform, Channel], *, lease_s: float) -> None:
        self._database = database
        self._channels = push
        self._lease_s = lease_s
        self._threads = ThreadPoolExecutor(max_workers=4 * len(push), thread_name_prefix="channel")

    def deliver(self, keys: Sequence[Key]) -> dict[Key, str]:
        """Deliver those of the given notifications that are due and free; returns the new status of each of these."""
        at, token = now(), uuid4().hex
        with self._database.writing() as session:
            claimed = claims.claim(
                session, keys, token=token, now=at, lease_until=at + timedelta(seconds=self._lease_s)
            )
        if not claimed:
            return {}
        with self._database.reading() as session:
            posts = claims.post_texts(session, {n.post_id for n in claimed})
            targets = claims.targets(session, [n.id for n in claimed])
            paused = {state.name: state for state in channels.paused(session)}
        by_id = {n.id: n for n in claimed}
        fresh = [
            t for t in targets if _age_s(by_id[t.notification_id], at) < posts[by_id[t.notification_id].post_id].ttl_s
        ]
        outcomes = self._send(fresh, by_id, posts, {name: state.paused_until for name, state in paused.items()})
        attempts = [
            Attempt(
                target=target,
                outcome=outcome,
                decision=decide(
                    outcome,
                    target.attempts + 1,
                    _age_s(by_id[target.notification_id], now()),
                    posts[by_id[target.notification_id].post_id].ttl_s,
                    random.random(),  # noqa: S311
                ),
            )
            for target, outcome in zip(fresh, outcomes, strict=True)
        ]
        expired = {t.notification_id for t in targets} - {t.notification_id for t in fresh}
        return self._record(claimed, attempts, expired, token, set(paused))

    def _send(
        self,
        targets: Sequence[Target],
        notifications: Mapping[int, Claimed],
        posts: Mapping[int, claims.PostText],
        paused: Mapping[str, datetime],
    ) -> list[Outcome]:
        """One outcome per target, in their order; the channels work side by side."""
        waiting: dict[str, list[int]] = defaultdict(list)
        outcomes: dict[int, Outcome] = {}
        for index, target in enumerate(targets):
            waiting[target.platform].append(index)
        sending = []
        for name, indexes in waiting.items():
            allowed = self._allowed(name, len(indexes), paused)
            for index in indexes[allowed:]:
                outcomes[index] = _paused(paused[name])
            if allowed:
                messages = [
                    compose(
                        posts[notifications[targets[i].notification_id].post_id],
                        notifications[targets[i].notification_id],
                        targets[i],
                    )
                    for i in indexes[:allowed]
                ]
                # Cancelled at half of the lease: what is recorded must still be ours.
                future = self._threads.submit(self._channels[Platform(name)].send, messages, self._lease_s / 2)
                sending.append((indexes[:allowed], future))
        for indexes, future in sending:
            outcomes.update(zip(indexes, future.result(), strict=True))
        return [outcomes[index] for index in range(len(targets))]

    def _allowed(self, name: str, count: int, paused: Mapping[str, datetime]) -> int:
        """How many messages may go to a channel now: all, none, or one to find out whether a paused one is well."""
        if name not in paused:
            return count
        at = now()
        if paused[name] > at:
            return 0
        with self._database.writing() as session:
            until = at + timedelta(seconds=CHANNEL_WAIT_S)
            return int(channels.take_probe(session, name, now=at, until=until))

    def _record(
        self,
        claimed: Sequence[Claimed],
        attempts: Sequence[Attempt],
        expired: set[int],
        token: str,
        paused: set[str],
    ) -> dict[Key, str]:
        at = now()
        by_notification: dict[int, list[Attempt]] = defaultdict(list)
        for attempt in attempts:
            by_notification[attempt.target.notification_id].append(attempt)
        records = {n.id: summary(n, by_notification[n.id], expired=n.id in expired, now=at) for n in claimed}
        with self._database.writing() as session:
            held = claims.record(
                session,
                token=token,
                notifications=list(records.values()),
                deliveries=[_delivery(a) for a in attempts if a.outcome.code != PAUSED],
                now=at,
            )
            _record_devices(session, attempts, at)
            _record_channels(session, attempts, paused, at)
        _log(claimed, attempts, held)
        return {(n.post_id, n.user_id): records[n.id].status for n in claimed if n.id in held}


PAUSED = "channel_paused"


def _paused(until: datetime) -> Outcome:
    wait = max((until - now()).total_seconds(), 1.0)
    return Outcome(kind=OutcomeKind.CHANNEL_DOWN, code=PAUSED, retry_after_s=wait)


def _age_s(notification: Claimed, at: datetime) -> float:
    return (at - notification.created_at).total_seconds()


def summary(notification: Claimed, attempts: Sequence[Attempt], *, expired: bool, now: datetime) -> NotificationRecord:
    """What the outcomes on a user's devices make of their notification. Pure.

    It is pending as long as one device may still be reached; sent when any device was; and otherwise failed, or
    skipped when there was nothing to be done (no device, or too old).
    """
    open_ = [a.decision for a in attempts if a.decision.action in {Action.RETRY, Action.WAIT}]
    if open_:
        return NotificationRecord(
            id=notification.id,
            status="pending",
            next_attempt_at=now + timedelta(seconds=min(d.delay_s for d in open_)),
            reason=open_[0].reason,
            counts=any(d.action is Action.RETRY for d in open_),
        )
    if notification.reached or any(a.decision.action is Action.SENT for a in attempts):
        return NotificationRecord(id=notification.id, status="sent")
    if not attempts:
        reason = "too old" if expired else "no device"
        return NotificationRecord(id=notification.id, status="skipped", reason=reason)
    if all(a.decision.action is Action.EXPIRED for a in attempts):
        return NotificationRecord(id=notification.id, status="skipped", reason="too old")
    return NotificationRecord(id=notification.id, status="failed", reason=attempts[0].decision.reason)


def _delivery(attempt: Attempt) -> DeliveryRecord:
    target, outcome = attempt.target, attempt.outcome
    return DeliveryRecord(
        notification_id=target.notification_id,
        device_id=target.device_id,
        platform=target.platform,
        status=_STATUS.get(attempt.decision.action, "failed"),
        # Waiting for a paused channel is not this device's failure.
        attempts=target.attempts + (attempt.decision.action is not Action.WAIT),
        provider_id=outcome.provider_id,
        code=outcome.code or None,
        detail=outcome.detail or None,
    )


def _record_devices(session: Session, attempts: Iterable[Attempt], at: datetime) -> None:
    dead, environments = {}, {}
    for attempt in attempts:
        target, outcome = attempt.target, attempt.outcome
        # The app registered again after the vendor saw the token die: it lives.
        revived = outcome.dead_since is not None and target.last_seen_at > outcome.dead_since
        if outcome.kind is OutcomeKind.TOKEN_DEAD and not revived:
            dead[target.device_id] = outcome.code
        elif outcome.kind is OutcomeKind.DELIVERED and outcome.environment not in {None, target.environment}:
            environments[target.device_id] = str(outcome.environment)
    claims.disable_devices(session, dead, now=at)
    claims.remember_environments(session, environments)


def _record_channels(session: Session, attempts: Iterable[Attempt], paused: set[str], at: datetime) -> None:
    down: dict[str, Outcome] = {}
    well: set[str] = set()
    for attempt in attempts:
        if attempt.outcome.kind is OutcomeKind.CHANNEL_DOWN and attempt.outcome.code != PAUSED:
            down[attempt.target.platform] = attempt.outcome
        elif attempt.outcome.kind is OutcomeKind.DELIVERED:
            well.add(attempt.target.platform)
    for name, outcome in sorted(down.items()):
        until = at + timedelta(seconds=outcome.retry_after_s or CHANNEL_WAIT_S)
        channels.pause(session, name, code=outcome.code, reason=outcome.detail, now=at, until=until)
        if name not in paused:
            fields = {"channel": name, "code": outcome.code, "reason": outcome.detail}
            logger.error("channel paused", extra={"fields": fields})
    for name in sorted(paused & (well - down.keys())):
        if channels.resume(session, name):
            logger.info("channel resumed", extra={"fields": {"channel": name}})


def _log(claimed: Sequence[Claimed], attempts: Sequence[Attempt], held: set[int]) -> None:
    by_id = {n.id: n for n in claimed}
    for attempt in attempts:
        notification = by_id[attempt.target.notification_id]
        if notification.id not in held or attempt.outcome.code == PAUSED:
            continue
        fields = {"post": notification.post_id, "platform": attempt.target.platform, "user": notification.user}
        match attempt.decision.action:
            case Action.SENT:
                logger.info("push delivered", extra={"fields": fields})
            case Action.RETRY | Action.WAIT:
                logger.debug("push waits", extra={"fields": {**fields, "code": attempt.outcome.code}})
            case _:
                logger.warning("push failed", extra={"fields": {**fields, "code": attempt.outcome.code}})
