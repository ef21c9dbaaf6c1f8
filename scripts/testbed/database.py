"""What is put into the database of an installation under test, and what it is asked meanwhile and afterwards."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import and_, func, select, text

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
from storage.models import CrawlRun, Delivery, Device, Notification, Post, Site, User
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
    # Notifications that are neither sent nor given up, nor wait because their phone alone is refused.
    owed: int

    def is_settled(self, posts: int) -> bool:
        """Whether so many posts are stored, and nothing is owed for any of them."""
        return self.stored >= posts and not self.open_posts and not self.owed


def progress(database: Database) -> Progress:
    """How far the product is; what the baseline stored does not count."""
    with database.reading() as session:
        fates = session.execute(
            select(Post.fanout, func.count()).where(Post.fanout != "silent").group_by(Post.fanout)
        ).all()
        owed = session.scalar(
            select(func.count()).where(
                Notification.status.in_(("pending", "sending")),
                ~and_(func.coalesce(Notification.reason, "").in_(ONE_OR_ALL), Notification.waits_for.is_(None)),
            )
        )
    return Progress(
        stored=sum(count for _, count in fates),
        open_posts=sum(count for fate, count in fates if fate != "done"),
        owed=owed or 0,
    )


def crawled(database: Database) -> set[str]:
    """Sites whose baseline is done."""
    with database.reading() as session:
        return set(session.scalars(select(Site.name).where(Site.baseline_done)))


def claimed(database: Database) -> dict[tuple[int, str], int]:
    """What notifiers have in their hands: (notification, token of the claim) -> devices of its user."""
    with database.reading() as session:
        rows = session.execute(
            select(Notification.id, Notification.lease_token, func.count())
            .join(Device, Device.user_id == Notification.user_id)
            .where(Notification.status == "sending", Device.disabled_at.is_(None))
            .group_by(Notification.id, Notification.lease_token)
        )
        return {(key, token or ""): devices for key, token, devices in rows}


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


def recorded_attempts(database: Database, tokens: Collection[str]) -> dict[Pair, int]:
    """The recorded attempts of all deliveries to some phones."""
    found: dict[Pair, int] = {}
    for part in _parts(sorted(tokens), FEW):
        with database.reading() as session:
            rows = session.execute(
                select(Post.title, Device.token, Delivery.attempts)
                .select_from(Delivery)
                .join(Device, Device.id == Delivery.device_id)
                .join(Notification, Notification.id == Delivery.notification_id)
                .join(Post, Post.id == Notification.post_id)
                .where(Device.token.in_(part))
            )
            found |= {(number, token): attempts for title, token, attempts in rows if (number := number_of(title))}
    return found


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
