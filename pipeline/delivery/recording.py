"""Recording what became of a batch: whatever was sent is written down, or it would be sent again."""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from pipeline.delivery import decisions as judging
from pipeline.delivery.channel_faults import Fault
from pipeline.delivery.compose import Drafts
from pipeline.delivery.decisions import Attempt
from pipeline.delivery.digest_text import expiry
from pipeline.delivery.health import Health, Trouble
from pipeline.delivery.lease import Lease
from pipeline.push.outcome import Action
from pipeline.resources import now
from storage import channel_health, channels, deferring, digests, outcomes, pauses
from storage.claims import Claimed
from storage.clock import elapsed
from storage.digests import Content, Member
from storage.leaving import GONE
from storage.models import ChannelState
from storage.notifications import Key
from storage.outcomes import NotificationRecord
from storage.outgoing import PostText, Target
from storage.session import Database

logger = logging.getLogger(__name__)

Tally = Mapping[tuple[str, Action, datetime], int]
"""Attempts of a batch, by platform, by what was decided, and by when their post was first seen."""
EACH_LOGGED = 20
"""Batches larger than this have one line for all that was delivered: a line per push costs more than the push."""
PATIENCE_S = 300.0
"""For so long a batch that was sent waits for a database that is away or locked; what is lost then is sent again."""
AGAIN_S = 1.0
AWAY = (OperationalError, InterfaceError, PoolTimeoutError)
UNFIT = (IntegrityError, DataError)
"""Something about a row: it has gone meanwhile, or it is nothing that the database takes."""


@dataclass(kw_only=True)
class Batch:
    """What a claimed batch needs, and what becomes of it."""

    lease: Lease
    notifications: Mapping[int, Claimed]
    posts: Mapping[int, PostText]
    paused: Mapping[str, ChannelState]
    # What an operator paused: "push", or channels.
    held: frozenset[str] = frozenset()
    # Channels whose vendor took nothing, when the batch was claimed.
    troubled: frozenset[str] = frozenset()
    attempts: list[Attempt] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)
    # Paused channels that a probe found well.
    well: set[str] = field(default_factory=set)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    # Channels that took a message.
    accepted: set[str] = field(default_factory=set)
    # What is not to be sent now, because of what its user wants.
    put_off: Mapping[int, NotificationRecord] = field(default_factory=dict)
    # What is sent as a digest, by the notification that leads it.
    digests: Mapping[int, Content] = field(default_factory=dict)
    # Of digests, computed once.
    lives: dict[int, tuple[datetime, float]] = field(default_factory=dict)
    drafts: Drafts = field(default_factory=dict)
    # Devices that were removed while their message was under way: nothing can be kept of them.
    gone: frozenset[int] = frozenset()

    def of(self, target: Target) -> tuple[Claimed, PostText]:
        """The notification that a target belongs to, and its post."""
        notification = self.notifications[target.notification_id]
        return notification, self.posts[notification.post_id]

    def why_expired(self, notification: Claimed) -> str:
        """Why nobody wants to see it, once that is so."""
        return GONE if self.posts[notification.post_id].is_gone else "too old"

    def told(self, notification: Claimed, at: datetime) -> list[tuple[Member, PostText]]:
        """What a digest tells of: the posts that are not too old."""
        content = self.digests.get(notification.id)
        posts = [(member, self.posts[member.post_id]) for member in content.members] if content else []
        return [(member, post) for member, post in posts if at < expiry(member, post)]

    def life(self, notification: Claimed) -> tuple[datetime, float]:
        """When it came into being, and its time to live in seconds; of a digest's posts the one that lives longest."""
        content = self.digests.get(notification.id) if self.digests else None
        if content is None:
            return notification.created_at, self.posts[notification.post_id].ttl_s
        if notification.id not in self.lives:
            self.lives[notification.id] = self._life(content)
        return self.lives[notification.id]

    def _life(self, content: Content) -> tuple[datetime, float]:
        lives = [(member, self.posts[member.post_id]) for member in content.members]
        member, post = max(lives, key=lambda each: expiry(*each))
        return member.created_at, post.ttl_s

    def hold(self, target: Target) -> str | None:
        """The operator's pause that a target waits for, if any."""
        if not self._is_anything_held:
            return None
        if self.held:
            for name in ("push", target.platform):
                if name in self.held:
                    return name
        notification, post = self.of(target)
        content = self.digests.get(notification.id)
        posts = [self.posts[member.post_id] for member in content.members] if content else [post]
        return next((pauses.site_hold(post.site) for post in posts if post.held), None)

    @cached_property
    def _is_anything_held(self) -> bool:
        return bool(self.held) or any(post.held for post in self.posts.values())

    def age_and_ttl(self, target: Target, at: datetime) -> dict[str, float]:
        """Both in seconds, as the decisions take them."""
        notification = self.notifications[target.notification_id]
        created_at, ttl_s = self.life(notification)
        return {"age_s": (at - created_at).total_seconds(), "ttl_s": ttl_s}

    def is_too_old(self, target: Target, at: datetime) -> bool:
        """Whether nobody wants to see it any more."""
        created_at, ttl_s = self.life(self.notifications[target.notification_id])
        return (at - created_at).total_seconds() >= ttl_s

    def keep(self, ids: Collection[int]) -> None:
        """Forget the notifications that are not among these: they are somebody else's now."""
        if len(ids) == len(self.notifications):
            return
        kept = set(ids)
        logger.warning("claims lost before sending", extra={"fields": {"count": len(self.notifications) - len(kept)}})
        self.notifications = {number: n for number, n in self.notifications.items() if number in kept}
        self.attempts = [a for a in self.attempts if a.target.notification_id in kept]

    def split(self, ids: Collection[int]) -> "Batch":
        """Take the notifications of these ids out, with all that is known of them, into a batch of their own."""
        taken = {number: n for number, n in self.notifications.items() if number in ids}
        part = replace(
            self,
            notifications=taken,
            attempts=[a for a in self.attempts if a.target.notification_id in taken],
            faults={},
            well=set(),
            troubles={},
            accepted=set(),
        )
        self.notifications = {number: n for number, n in self.notifications.items() if number not in taken}
        self.attempts = [a for a in self.attempts if a.target.notification_id not in taken]
        return part


class Recorder:
    """Writes down what became of batches. Thread-safe."""

    def __init__(self, database: Database, health: Health, on_recorded: Callable[[Tally, datetime], None]) -> None:
        self._database = database
        self._health = health
        self._on_recorded = on_recorded

    def record(self, batch: Batch) -> dict[Key, str]:
        """Write it down, and return the new status of each notification that was still ours.

        Raises what the database raises, at once when nothing was sent, and else when it was away for PATIENCE_S.
        """
        if not batch.notifications and not (batch.faults or batch.well or batch.troubles or batch.accepted):
            return {}
        was_sent = any(attempt.outcome is not None for attempt in batch.attempts)
        give_up_at = elapsed() + (PATIENCE_S if was_sent else 0)
        said = False
        while True:
            try:
                return self._record_whole(batch)
            except AWAY as error:
                if elapsed() >= give_up_at:
                    raise
                if not said:
                    fields = {"error": type(error).__name__, "sent": len(batch.attempts)}
                    logger.warning("what was sent cannot be recorded yet", extra={"fields": fields})
                    said = True
            time.sleep(AGAIN_S)
            self._hold_on(batch)

    def _hold_on(self, batch: Batch) -> None:
        """Keep others from sending it again meanwhile, where that is possible."""
        try:
            batch.lease.renew(batch.notifications)
        except AWAY:
            logger.debug("lease not renewed")

    def _record_whole(self, batch: Batch) -> dict[Key, str]:
        """All of it at once; where something is unfit, as much as possible."""
        try:
            return self._record_once(batch)
        except UNFIT:
            with self._database.reading() as session:
                tried = frozenset(attempt.target.device_id for attempt in batch.attempts)
                batch.gone = tried - outcomes.devices_there(session, tried)
        try:
            return self._record_once(batch)
        except UNFIT:
            done: dict[Key, str] = {}
            for number in list(batch.notifications):
                done |= self._record_one(batch.split({number}))
            return done | self._record_once(batch)

    def _record_one(self, batch: Batch) -> dict[Key, str]:
        try:
            return self._record_once(batch)
        except UNFIT as error:
            fields = {"notification": next(iter(batch.notifications)), "error": type(error).__name__}
            logger.error("an outcome cannot be recorded, only its end", extra={"fields": fields})  # noqa: TRY400
            return self._record_once(batch, bare=True)

    def _record_once(self, batch: Batch, *, bare: bool = False) -> dict[Key, str]:
        """bare: without what vendors said."""
        at = now()
        by_notification: dict[int, list[Attempt]] = defaultdict(list)
        for attempt in batch.attempts:
            by_notification[attempt.target.notification_id].append(attempt)
        records = {
            n.id: batch.put_off.get(n.id)
            or judging.summary(n, by_notification[n.id], now=at, expired=batch.why_expired(n))
            for n in batch.notifications.values()
        }
        kept = [] if bare else [a for a in batch.attempts if a.target.device_id not in batch.gone]
        rows = [judging.delivery(attempt, now=at, version=batch.of(attempt.target)[1].version) for attempt in kept]
        news = judging.device_news(kept, now=at)
        if bare:
            records = {number: replace(record, reason=None) for number, record in records.items()}
        with self._database.writing() as session:
            records |= _freed(session, batch, records, at)
            records |= _changed(session, batch, at)
            held = outcomes.record(
                session,
                token=batch.lease.token,
                notifications=list(records.values()),
                deliveries=[row for row in rows if row is not None],
                now=at,
            )
            close_digests(session, batch, [records[number] for number in held], at)
            _record_devices(session, news, at)
            said = _record_channels(session, batch, self._health.to_say(batch.accepted, now=at), at)
        for level, sentence, fields in said:
            logger.log(level, sentence, extra={"fields": fields})
        _log(batch, held)
        self._on_recorded(_tally(batch, held), at)
        return {(n.post_id, n.user_id): records[n.id].status for n in batch.notifications.values() if n.id in held}


def _record_devices(session: Session, news: judging.DeviceNews, at: datetime) -> None:
    outcomes.disable_devices(session, news.dead, now=at)
    outcomes.remember_environments(session, news.environments)
    outcomes.slow_devices(session, news.busy)
    outcomes.mark_refused(session, news.refused, now=at)
    outcomes.clear_refused(session, news.served)


def _freed(
    session: Session, batch: Batch, records: Mapping[int, NotificationRecord], at: datetime
) -> dict[int, NotificationRecord]:
    """The records, by notification, of those whose pause ended while we had them: nothing would wake these later."""
    holds = {attempt.hold for attempt in batch.attempts if attempt.hold is not None}
    lifted = pauses.lifted(session, holds) if holds else set()
    freed = {attempt.target.notification_id for attempt in batch.attempts if attempt.hold in lifted}
    return {number: replace(records[number], next_attempt_at=at) for number in freed}


def _changed(session: Session, batch: Batch, at: datetime) -> dict[int, NotificationRecord]:
    """Records for those that were put off for people who want something else by now: they are asked again."""
    claimed = [batch.notifications[number] for number in batch.put_off if number in batch.notifications]
    put_off = [n for n in claimed if n.to_show is None]
    people = deferring.persons(session, {n.user_id for n in put_off}) if put_off else {}
    return {
        n.id: NotificationRecord(id=n.id, status="pending", next_attempt_at=at, counts=n.reached)
        for n in put_off
        if people.get(n.user_id) != n.person
    }


def close_digests(session: Session, batch: Batch, records: Sequence[NotificationRecord], at: datetime) -> None:
    """What was told together ends together."""
    if not batch.digests:
        return
    ended = [
        digests.Outcome(
            digest_id=content.id,
            status=record.status,
            reason=record.reason,
            expired=_untold(batch, content, record, at),
        )
        for record in records
        if (content := batch.digests.get(record.id)) is not None and record.status != "pending"
    ]
    if ended:
        digests.close(session, ended, now=at)


def _untold(batch: Batch, content: Content, record: NotificationRecord, at: datetime) -> list[int]:
    told = {member.id for member, _ in batch.told(batch.notifications[record.id], at)}
    return [member.id for member in content.members if member.id not in told] if record.status == "sent" else []


Line = tuple[int, str, dict[str, object]]
"""What is to be logged once it is committed: level, sentence, fields."""


def _record_channels(session: Session, batch: Batch, accepted: Sequence[str], at: datetime) -> list[Line]:
    """Write what became of channels; returns what is to be logged."""
    if accepted:
        channel_health.accepted(session, accepted, now=at)
    return [*_pauses(session, batch, at), *_troubles(session, batch)]


def _pauses(session: Session, batch: Batch, at: datetime) -> Iterator[Line]:
    for name, fault in sorted(batch.faults.items()):
        until = at + timedelta(seconds=fault.wait_s)
        channels.pause(session, name, code=fault.code, reason=fault.sentence, now=at, until=until)
        restored = channels.restore(session, name, code=fault.code, since=fault.since, due=until)
        if name not in batch.paused or restored:
            said = {"channel": name, "code": fault.code, "reason": fault.sentence, "restored_devices": restored}
            yield logging.ERROR, "channel paused", said
    for name in sorted(batch.well):
        resumed = channels.resume(session, name, now=at)
        if resumed is not None:
            said = {"channel": name, "code": resumed.code, "waiting": resumed.notifications}
            yield logging.INFO, "channel resumed", said


def _troubles(session: Session, batch: Batch) -> Iterator[Line]:
    for name, trouble in sorted(batch.troubles.items()):
        if channel_health.begin_trouble(session, name, code=trouble.code, detail=trouble.detail, since=trouble.since):
            said: dict[str, object] = {"channel": name, "code": trouble.code, "since": trouble.since.isoformat()}
            yield logging.WARNING, "vendor takes nothing", said
    for name in sorted(batch.troubled & batch.accepted):
        if channel_health.end_trouble(session, name):
            yield logging.WARNING, "vendor takes messages again", {"channel": name}


def _tally(batch: Batch, held: set[int]) -> Tally:
    # What replaces a text that is shown already is no news, and its post is old.
    ours = (a for a in batch.attempts if a.target.notification_id in held and a.target.shows is None)
    return Counter((a.target.platform, a.decision.action, batch.of(a.target)[1].first_seen_at) for a in ours)


def _log(batch: Batch, held: set[int]) -> None:
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


def _fields(batch: Batch, attempt: Attempt) -> dict[str, object]:
    notification, _ = batch.of(attempt.target)
    again = {"replaces": True} if attempt.target.shows is not None else {}
    return {"post": notification.post_id, "platform": attempt.target.platform, "user": notification.user, **again}
