"""One batch of notifications: claim them, send to each device, record what became of each, all in few statements."""

import logging
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy.orm import Session

from pipeline.delivery import decisions as judging
from pipeline.delivery.channel_faults import ChannelFaults, Fault, is_well, without_blame
from pipeline.delivery.circuit import CONFIGURATION_CODES
from pipeline.delivery.compose import compose
from pipeline.delivery.decisions import Attempt
from pipeline.delivery.quota import Quota
from pipeline.push.channel import Channel
from pipeline.push.message import Platform
from pipeline.push.outcome import CHANNEL_WAIT_S, Action, Outcome, OutcomeKind
from pipeline.resources import now
from storage import channels, claims, outcomes, pauses
from storage.claims import Claimed, PostText, Target
from storage.clock import TOLERANCE
from storage.models import ChannelState
from storage.notifications import Key
from storage.outcomes import NotificationRecord
from storage.session import Database
from storage.waiting import fault_of, words

logger = logging.getLogger(__name__)

Tally = Mapping[tuple[str, Action, datetime], int]
"""Attempts of a batch, by platform, by what was decided, and by when their post was first seen."""
EACH_LOGGED = 20
"""Batches larger than this have one line for all that was delivered: a line per push costs more than the push."""


@dataclass(kw_only=True)
class _Batch:
    """What a claimed batch needs, and what becomes of it."""

    token: str
    notifications: Mapping[int, Claimed]
    posts: Mapping[int, PostText]
    paused: Mapping[str, ChannelState]
    # What an operator paused: "push", or channels.
    held: frozenset[str] = frozenset()
    attempts: list[Attempt] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)
    # Paused channels that a probe found well.
    well: set[str] = field(default_factory=set)

    def of(self, target: Target) -> tuple[Claimed, PostText]:
        """The notification that a target belongs to, and its post."""
        notification = self.notifications[target.notification_id]
        return notification, self.posts[notification.post_id]

    def hold(self, target: Target) -> str | None:
        """The operator's pause that a target waits for, if any."""
        if self.held:
            for name in ("push", target.platform):
                if name in self.held:
                    return name
        _, post = self.of(target)
        return pauses.site_hold(post.site) if post.held else None

    def age_and_ttl(self, target: Target, at: datetime) -> dict[str, float]:
        """Both in seconds, as the decisions take them."""
        notification, post = self.of(target)
        return {"age_s": (at - notification.created_at).total_seconds(), "ttl_s": post.ttl_s}


class Deliveries:
    """Delivers batches of notifications in this process; several threads may do so at once."""

    def __init__(
        self,
        database: Database,
        push: Mapping[Platform, Channel],
        *,
        lease_s: float,
        quotas: Mapping[Platform, Quota] | None = None,
        rand: Callable[[], float] = random.random,
        on_recorded: Callable[[Tally, datetime], None] = lambda _tally, _at: None,
    ) -> None:
        """lease_s: how long a claimed batch is ours; requests are cancelled at half of it.

        on_recorded: told once per batch what was recorded, and when.
        """
        self._database = database
        self._channels = push
        self._lease_s = lease_s
        self._quotas = quotas or {}
        self._rand = rand
        self._on_recorded = on_recorded
        self._faults = ChannelFaults()
        self._threads = ThreadPoolExecutor(max_workers=4 * len(push), thread_name_prefix="channel")

    def deliver(self, keys: Sequence[Key]) -> dict[Key, str]:
        """Deliver those of the given notifications that are due and free; returns the new status of each of these."""
        at, token = now(), uuid4().hex
        with self._database.writing() as session:
            lease_until = at + timedelta(seconds=self._lease_s)
            claimed = claims.claim(session, keys, token=token, now=at, lease_until=lease_until)
        if not claimed:
            return {}
        with self._database.reading() as session:
            closed = pauses.closed(session)
            batch = _Batch(
                token=token,
                notifications={n.id: n for n in claimed},
                posts=claims.post_texts(session, {n.post_id for n in claimed}),
                paused=closed.faulty,
                held=closed.held,
            )
            targets = claims.targets(session, [n.id for n in claimed])
        self._try(batch, targets, at)
        return self._record(batch)

    def _try(self, batch: _Batch, targets: Sequence[Target], at: datetime) -> None:
        """Sort out what may go now, send it over all channels side by side, and judge the answers."""
        ready: dict[str, list[Target]] = defaultdict(list)
        for target in targets:
            times = batch.age_and_ttl(target, at)
            if times["age_s"] >= times["ttl_s"]:
                batch.attempts.append(judging.expired(target))
            elif (hold := batch.hold(target)) is not None:
                batch.attempts.append(judging.held(target, hold, **times))
            elif target.not_before is not None and target.not_before > at + TOLERANCE:
                delay = (target.not_before - at).total_seconds()
                batch.attempts.append(judging.kept_back(target, delay, "the vendor asked to wait", **times))
            else:
                ready[target.platform].append(target)
        sending = []
        for name, waiting in ready.items():
            allowed = self._allowed(batch, name, waiting, at)
            if allowed:
                sending.append((name, allowed, self._send(batch, name, allowed)))
        for name, tried, future in sending:
            self._judge(batch, name, tried, future.result())

    def _send(self, batch: _Batch, name: str, targets: Sequence[Target]) -> "Future[list[Outcome]]":
        messages = []
        for target in targets:
            notification, post = batch.of(target)
            messages.append(compose(post, notification, target))
        # Cancelled at half of the lease: what is recorded must still be ours.
        return self._threads.submit(self._channels[Platform(name)].send, messages, self._lease_s / 2)

    def _allowed(self, batch: _Batch, name: str, waiting: Sequence[Target], at: datetime) -> Sequence[Target]:
        """Those that may go over a channel now; the others are kept back.

        All, as far as the quota goes; none when the channel is paused, or one when it is time to look whether it is
        well again.
        """
        pause = batch.paused.get(name)
        if pause is not None:
            count = int(self._takes_probe(name, pause, at))
            for target in waiting[count:]:
                delay = judging.paused_delay_s(pause.paused_until, at, self._rand())
                times = batch.age_and_ttl(target, at)
                fault = fault_of(name)
                reason = words(fault, pause.code)
                batch.attempts.append(judging.kept_back(target, delay, reason, fault, **times))
            return waiting[:count]
        quota = self._quotas.get(Platform(name))
        if quota is None:
            return waiting
        count = quota.take(len(waiting))
        for place, target in enumerate(waiting[count:]):
            times = batch.age_and_ttl(target, at)
            batch.attempts.append(judging.kept_back(target, quota.delay_s(place), f"{name} quota", **times))
        return waiting[:count]

    def _takes_probe(self, name: str, pause: ChannelState, at: datetime) -> bool:
        if pause.paused_until > at:
            return False
        with self._database.writing() as session:
            until = at + timedelta(seconds=CHANNEL_WAIT_S)
            return channels.take_probe(session, name, now=at, until=until)

    def _judge(self, batch: _Batch, name: str, targets: Sequence[Target], answers: list[Outcome]) -> None:
        """Learn from a channel's answers, and decide on each of them."""
        at = now()
        fault = self._faults.learn(name, answers, now=at)
        if fault is not None:
            batch.faults[name] = fault
            answers = without_blame(answers, fault.code)
        pause = self._pause_meanwhile(batch, name, answers)
        if pause is not None:
            answers = without_blame(answers, pause.code)
            # Only a probe says so: what was on its way when the pause began does not.
            if name in batch.paused and fault is None and is_well(answers, pause.code):
                batch.well.add(name)
        for target, outcome in zip(targets, answers, strict=True):
            times = batch.age_and_ttl(target, at)
            batch.attempts.append(judging.attempted(target, outcome, **times, rand=self._rand()))

    def _pause_meanwhile(self, batch: _Batch, name: str, answers: Sequence[Outcome]) -> ChannelState | None:
        """The channel's pause, looked up again when it matters: another process may have understood a burst first."""
        if name not in batch.paused and any(
            o.kind is OutcomeKind.TOKEN_DEAD and o.code in CONFIGURATION_CODES for o in answers
        ):
            with self._database.reading() as session:
                return next((state for state in channels.paused(session) if state.name == name), None)
        return batch.paused.get(name)

    def _record(self, batch: _Batch) -> dict[Key, str]:
        at = now()
        by_notification: dict[int, list[Attempt]] = defaultdict(list)
        for attempt in batch.attempts:
            by_notification[attempt.target.notification_id].append(attempt)
        records = {n.id: judging.summary(n, by_notification[n.id], now=at) for n in batch.notifications.values()}
        rows = [judging.delivery(attempt, now=at) for attempt in batch.attempts]
        news = judging.device_news(batch.attempts, now=at)
        with self._database.writing() as session:
            records |= _freed(session, batch, records, at)
            held = outcomes.record(
                session,
                token=batch.token,
                notifications=list(records.values()),
                deliveries=[row for row in rows if row is not None],
                now=at,
            )
            outcomes.disable_devices(session, news.dead, now=at)
            outcomes.remember_environments(session, news.environments)
            outcomes.slow_devices(session, news.busy)
            _record_channels(session, batch, at)
        _log(batch, held)
        self._on_recorded(_tally(batch, held), at)
        return {(n.post_id, n.user_id): records[n.id].status for n in batch.notifications.values() if n.id in held}


def _freed(
    session: Session, batch: _Batch, records: Mapping[int, NotificationRecord], at: datetime
) -> dict[int, NotificationRecord]:
    """The records, by notification, of those whose pause ended while we had them: nothing would wake these later."""
    holds = {attempt.hold for attempt in batch.attempts if attempt.hold is not None}
    lifted = pauses.lifted(session, holds) if holds else set()
    freed = {attempt.target.notification_id for attempt in batch.attempts if attempt.hold in lifted}
    return {number: replace(records[number], next_attempt_at=at) for number in freed}


def _record_channels(session: Session, batch: _Batch, at: datetime) -> None:
    for name, fault in sorted(batch.faults.items()):
        until = at + timedelta(seconds=fault.wait_s)
        channels.pause(session, name, code=fault.code, reason=fault.sentence, now=at, until=until)
        restored = channels.restore(session, name, code=fault.code, since=fault.since, due=until)
        if name not in batch.paused or restored:
            fields = {"channel": name, "code": fault.code, "reason": fault.sentence, "restored_devices": restored}
            logger.error("channel paused", extra={"fields": fields})
    for name in sorted(batch.well):
        resumed = channels.resume(session, name, now=at)
        if resumed is not None:
            fields = {"channel": name, "code": resumed.code, "waiting": resumed.notifications}
            logger.info("channel resumed", extra={"fields": fields})


def _tally(batch: _Batch, held: set[int]) -> Tally:
    ours = (a for a in batch.attempts if a.target.notification_id in held)
    return Counter((a.target.platform, a.decision.action, batch.of(a.target)[1].first_seen_at) for a in ours)


def _log(batch: _Batch, held: set[int]) -> None:
    """A line for each push that failed; one for each that was delivered, or one for all of them in a large batch."""
    ours = [a for a in batch.attempts if a.target.notification_id in held]
    delivered = [a for a in ours if a.decision.action is Action.SENT]
    if len(delivered) > EACH_LOGGED:
        logger.info("pushes delivered", extra={"fields": dict(Counter(a.target.platform for a in delivered))})
        delivered = []
    for attempt in delivered:
        logger.info("push delivered", extra={"fields": _fields(batch, attempt)})
    for attempt in ours:
        if attempt.decision.action in {Action.FAILED, Action.EXPIRED}:
            fields = {**_fields(batch, attempt), "code": attempt.decision.reason}
            logger.warning("push failed", extra={"fields": fields})


def _fields(batch: _Batch, attempt: Attempt) -> dict[str, object]:
    notification, _ = batch.of(attempt.target)
    return {"post": notification.post_id, "platform": attempt.target.platform, "user": notification.user}
