"""What is put into the database of an installation under test, and what it is asked meanwhile and afterwards."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import and_, func, or_, select, text, update

from pipeline.delivery.channel_faults import ONE_OR_ALL
from pipeline.fanout.matcher import parse_phrase
from pipeline.resources import now
from pipeline.web.keys import make_server_key
from scripts.testbed.population import Notice, Person, number_of
from scripts.testbed.rows import how_many
from scripts.testbed.timings import said
from scripts.testbed.verdict import Pair, Run
from storage import api_keys, bulk, sites, users
from storage.bulk import DeviceEntry, SubscriptionEntry, UserEntry
from storage.models import CrawlRun, Delivery, Device, Notification, Post, PostEdit, Site, User
from storage.session import Database
from storage.subscriptions import KeywordText

T = TypeVar("T")
BATCH = 2000
FEW = 400
"""Values in one IN."""


def fill(
    database: Database,
    people: Sequence[Person],
    boards: Mapping[str, tuple[str, Mapping[str, Any]]],
    *,
    schedule: str = "5s",
    minutes: float = 1,
) -> None:
    """Add sites (name -> spider, parameters) that were not crawled yet, and people through the product's import.

    minutes: for how long posts will appear, as those want to know who say when they want to hear.
    """
    at = now()
    with database.writing() as session:
        for name, (spider, params) in boards.items():
            sites.add(
                session,
                name=name,
                spider=spider,
                params=dict(params),
                schedule=schedule,
                timezone="Asia/Seoul",
                allow_private=True,
                next_crawl_at=at,
                now=at,
            )
    for part in _parts(people, BATCH):
        with database.writing() as session:
            bulk.store_users(session, [_entry(person, at, minutes) for person in part], now=at)
    for part in _parts(people, BATCH):
        # A phone that changed hands was its former owner's first.
        for former in (True, False):
            devices = [
                DeviceEntry(
                    user=(phone.former_owner or person.name) if former else person.name,
                    platform=phone.platform,
                    token=phone.token,
                )
                for person in part
                for phone in person.phones
                if not former or phone.former_owner
            ]
            with database.writing() as session:
                bulk.store_devices(session, devices, add_users=False, now=now())
        wishes = [
            # A cap counts what rings at once.
            SubscriptionEntry(
                user=person.name,
                keyword=_keyword(wish.phrase),
                site=wish.site,
                pace="now" if person.timing and person.timing.way == "cap" else None,
            )
            for person in part
            for wish in person.wishes
        ]
        with database.writing() as session:
            bulk.store_subscriptions(session, wishes, limit=100, add_users=False, now=now())


def _entry(person: Person, at: datetime, minutes: float) -> UserEntry:
    if person.timing is None:
        return UserEntry(user=person.name, paused=person.paused)
    words = said(person.timing, at, minutes)
    return UserEntry(
        user=person.name,
        paused=person.paused,
        timezone=person.timing.zone,
        preferences=words.preferences,
        snooze_until=words.snooze_until,
    )


def vacuum(database: Database, table: str = "") -> None:
    """Clear up and count, as autovacuum has done in a database that is not a minute old."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"VACUUM ANALYZE {table}"))


def _keyword(raw: str | None) -> KeywordText | None:
    if raw is None:
        return None
    phrase = parse_phrase(raw)
    return KeywordText(text=phrase.text, kind=phrase.kind)


def _parts(entries: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(entries)
    while part := list(islice(iterator, size)):
        yield part


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the product is."""

    # Posts of the drill that were stored, and those of them that are not fanned out completely.
    stored: int
    open_posts: int
    # Notifications that are neither sent nor given up, nor show an older text, nor wait because their phone alone is
    # refused.
    owed: int
    # Edits that were not stored, or of which it was not found yet whom and which phones they concern.
    open_edits: int

    def is_settled(self, posts: int) -> bool:
        """Whether so many posts are stored, and nothing is owed for any of them."""
        return self.stored >= posts and not (self.open_posts or self.owed or self.open_edits)


def progress(database: Database, *, edited: Collection[str] = ()) -> Progress:
    """How far the product is; what the baseline stored does not count. edited: the titles that edited posts have."""
    with database.reading() as session:
        fates = session.execute(
            select(Post.fanout, func.count()).where(Post.fanout != "silent").group_by(Post.fanout)
        ).all()
        is_refused = and_(func.coalesce(Notification.reason, "").in_(ONE_OR_ALL), Notification.waits_for.is_(None))
        refused = select(Device.user_id).where(Device.refused_code.is_not(None))
        owed = session.scalar(
            select(func.count()).where(
                or_(
                    and_(Notification.status.in_(("pending", "sending")), ~is_refused),
                    and_(Notification.to_show.is_not(None), Notification.user_id.not_in(refused)),
                )
            )
        )
        read = session.scalar(select(func.count()).where(Post.title.in_(edited))) if edited else 0
        unplanned = session.scalar(
            select(func.count()).where(or_(PostEdit.changed, PostEdit.fanning, PostEdit.replace_at.is_not(None)))
        )
    return Progress(
        stored=sum(count for _, count in fates),
        open_posts=sum(count for fate, count in fates if fate != "done"),
        owed=owed or 0,
        open_edits=len(edited) - (read or 0) + (unplanned or 0),
    )


def crawled(database: Database) -> set[str]:
    """Sites whose baseline is done."""
    with database.reading() as session:
        return set(session.scalars(select(Site.name).where(Site.baseline_done)))


def claimed(database: Database) -> dict[tuple[int, str], list[Pair]]:
    """What notifiers have in their hands: (notification, token of the claim) -> its post, on each phone of its user."""
    found: dict[tuple[int, str], list[Pair]] = {}
    with database.reading() as session:
        rows = session.execute(
            select(Notification.id, Notification.lease_token, Post.title, Device.token)
            .join(Post, Post.id == Notification.post_id)
            .join(Device, Device.user_id == Notification.user_id)
            .where(Notification.lease_token.is_not(None), Device.disabled_at.is_(None))
        )
        for key, claim, title, token in rows:
            found.setdefault((key, claim or ""), []).append((number_of(title) or 0, token))
    return found


def let_edits_replace(database: Database) -> None:
    """Have edits replace what phones show, as `crawlpush sites set NAME --edits replace` does."""
    with database.writing() as session:
        session.execute(update(Site).values(edits="replace"))


def set_schedule(database: Database, site: str, schedule: str) -> None:
    """Change a site's schedule, as `crawlpush sites schedule` does."""
    with database.writing() as session:
        row = sites.by_name(session, site)
        row.schedule, row.next_crawl_at = schedule, now()


def remove_busy_device(database: Database, *, spared: Collection[str]) -> str | None:
    """Remove a phone to which a push is under way, as `crawlpush devices remove` does; returns its token, if any."""
    busy = (
        select(Device.id, Device.token)
        .join(Notification, Notification.user_id == Device.user_id)
        .where(Notification.status == "sending", Device.disabled_at.is_(None))
        .limit(FEW)
    )
    with database.writing() as session:
        for device_id, token in session.execute(busy):
            if token not in spared:
                users.remove_device(session, device_id)
                return token
    return None


def add_server_key(database: Database) -> str:
    """A key of the HTTP API that acts for any user, as `crawlpush keys add` makes it."""
    new = make_server_key()
    with database.writing() as session:
        api_keys.add(session, name="testbed", scope="app", prefix=new.prefix, hash=new.hash, expires_at=None, now=now())
    return new.shown


def sent_since(database: Database, at: datetime) -> int:
    """How many notifications were sent after a moment."""
    return how_many(database, Notification.sent_at > at)


def runs(database: Database) -> list[Run]:
    """All crawls that began."""
    with database.reading() as session:
        rows = session.execute(
            select(Site.name, CrawlRun.started_at, CrawlRun.finished_at).join(Site, Site.id == CrawlRun.site_id)
        )
        return [Run(site=site, started_at=begin, finished_at=end) for site, begin, end in rows if begin is not None]


def stored_posts(database: Database) -> dict[int, int]:
    """The posts that were stored: their ids, and their numbers."""
    with database.reading() as session:
        rows = session.execute(select(Post.id, Post.title))
        return {post_id: number for post_id, title in rows if (number := number_of(title))}


def dead_devices(database: Database) -> int:
    """How many devices the vendors' answers disabled."""
    return how_many(database, Device.disabled_at.is_not(None))


Attempts = Mapping[tuple[int, str, int], int]
"""(number of the post, token, version of the text) -> recorded attempts, where there was more than one."""


def attempts(database: Database) -> Attempts:
    """The recorded attempts at this moment: those of a text are forgotten when a newer one is sent."""
    with database.reading() as session:
        rows = session.execute(
            select(Post.title, Device.token, func.coalesce(Delivery.version, 0), Delivery.attempts)
            .select_from(Delivery)
            .join(Device, Device.id == Delivery.device_id)
            .join(Notification, Notification.id == Delivery.notification_id)
            .join(Post, Post.id == Notification.post_id)
            .where(Delivery.attempts > 1)
        )
        return {(number, token, version): n for title, token, version, n in rows if (number := number_of(title))}


def most(one: Attempts, other: Attempts) -> Attempts:
    """What was recorded at one moment or another."""
    return {key: max(one.get(key, 1), other.get(key, 1)) for key in one.keys() | other.keys()}


def repeated(known: Attempts) -> dict[Pair, int]:
    """How many attempts there were of each post on each phone, beyond the first with each text."""
    found: Counter[Pair] = Counter()
    for (number, token, _), count in known.items():
        found[number, token] += count - 1
    return dict(found)


def slowest(database: Database, limit: int) -> list[tuple[Pair, float]]:
    """The notifications that took longest from their row to the last of their sends, with the seconds."""
    with database.reading() as session:
        rows = session.execute(
            select(Post.title, Device.token, Notification.created_at, Notification.sent_at)
            .join(Post, Post.id == Notification.post_id)
            .join(Device, Device.user_id == Notification.user_id)
            .where(Notification.status == "sent")
        )
        took = [
            ((number, token), (sent_at - created_at).total_seconds())
            for title, token, created_at, sent_at in rows
            if sent_at is not None and (number := number_of(title))
        ]
    return sorted(took, key=lambda each: -each[1])[:limit]


def explain(database: Database, notice: Notice | None, token: str) -> dict[str, Any]:
    """What the database says of one post on one phone, to find the cause; without the token."""
    with database.reading() as session:
        device = session.scalar(select(Device).where(Device.token == token))
        if device is None or notice is None:
            return {"device": None}
        user = session.get_one(User, device.user_id)
        post = session.scalar(select(Post).where(Post.title == notice.title))
        sent = post and session.scalar(
            select(Notification).where(Notification.post_id == post.id, Notification.user_id == user.id)
        )
        delivery = sent and session.scalar(
            select(Delivery).where(Delivery.notification_id == sent.id, Delivery.device_id == device.id)
        )
        return {
            "post": notice.number,
            "user": user.external_id,
            "device": _columns(device, "id", "platform", "created_at", "disabled_at", "disabled_reason", "busy_until"),
            "stored": _columns(post, "id", "fanout", "fanout_cursor", "matched_users", "first_seen_at", "fanout_at"),
            "notification": _columns(
                sent, "id", "status", "attempts", "created_at", "enqueued_at", "next_attempt_at", "sent_at", "reason"
            ),
            "delivery": _columns(delivery, "id", "status", "attempts", "code", "detail", "at"),
        }


def _columns(row: object | None, *names: str) -> dict[str, str] | None:
    return None if not row else {name: str(getattr(row, name)) for name in names}
