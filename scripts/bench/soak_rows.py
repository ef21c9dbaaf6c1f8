"""What a soak asks of the database, and how it lets rows grow old."""

from datetime import datetime, timedelta

from sqlalchemy import select, update

from storage.models import CrawlRun, Notification, Post
from storage.retention import NOTIFICATIONS_OVER
from storage.session import Database

LATE = timedelta(seconds=60)
"""A delivery is in the database at most so long after the moment that it carries."""
OLD = timedelta(days=400)
"""Longer than anybody keeps anything."""


class Latencies:
    """Seconds from a post that was stored to each notification of it that was sent."""

    def __init__(self, database: Database, begin: datetime) -> None:
        self._database = database
        self._since = begin
        self._seen: dict[int, datetime] = {}
        self.all: list[float] = []

    def collect(self, at: datetime) -> list[float]:
        """Those that came since the last time."""
        since = self._since - LATE
        with self._database.reading() as session:
            rows = session.execute(
                select(Notification.id, Notification.sent_at, Post.first_seen_at)
                .join(Post, Post.id == Notification.post_id)
                .where(Notification.status == "sent", Notification.sent_at > since)
            ).all()
        new = [row for row in rows if row.id not in self._seen]
        self._seen = {id_: sent_at for id_, sent_at in self._seen.items() if sent_at > since}
        self._seen |= {row.id: row.sent_at for row in new}
        self._since = at
        took = [(row.sent_at - row.first_seen_at).total_seconds() for row in new]
        self.all += took
        return took


def let_grow_old(database: Database, *, before: datetime, at: datetime) -> None:
    """Give what was over before a moment a date that retention does not keep."""
    long_ago = at - OLD
    with database.writing() as session:
        session.execute(
            update(Notification)
            .where(
                Notification.created_at < before,
                Notification.created_at > long_ago,
                Notification.status.in_(NOTIFICATIONS_OVER),
            )
            .values(created_at=long_ago),
            execution_options={"synchronize_session": False},
        )
        session.execute(
            update(CrawlRun)
            .where(CrawlRun.finished_at < before, CrawlRun.finished_at > long_ago)
            .values(created_at=long_ago, started_at=long_ago, finished_at=long_ago),
            execution_options={"synchronize_session": False},
        )
