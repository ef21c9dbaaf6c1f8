"""A site whose edits replace what phones show, and all that happens to its posts, step by step."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from pipeline.broker.notify_room import NotifyRoom
from pipeline.delivery.asking import Timing
from pipeline.delivery.batch import Deliveries
from pipeline.fanout.edits import look_at_edits
from pipeline.fanout.slices import FanOuts, FanOutSettings, SliceEnd
from pipeline.push.message import Platform
from pipeline.push.outcome import Outcome
from pipeline.resources import now
from pipeline.upkeep.sweeping import LONG_AGO, Broker, send_digests, send_due, send_replacements
from storage import digests, users
from storage.models import Delivery, Notification, Post, PostEdit, Site, User
from storage.notifications import Key
from storage.session import Database
from tests.integration.pipeline.delivery.story import Scripted, over
from tests.support.builders import add_site, closed_run, found, subscribe

ALWAYS = {"quiet": [{"start": "00:00", "end": "23:59"}, {"start": "12:00", "end": "11:59"}]}
"""Quiet hours, the last minute of the day among them."""


class Room:
    """A quota."""

    is_full = False

    def take(self, wanted: int) -> int:
        return 0 if self.is_full else wanted

    def delay_s(self, _place: int) -> float:
        return 60.0


class Board:
    """A site whose edits replace what phones show, two readers with three phones, and processes whose turns we take."""

    def __init__(self, database: Database, **site: Any) -> None:
        self.database, self.fcm = database, Scripted()
        with database.writing() as session:
            self.site_id = add_site(session, **{"edits": "replace", **site}).id
            for name, phones in {"minji": 2, "jun": 1}.items():
                user = users.add(session, name, timezone="UTC", now=now())
                for number in range(phones):
                    users.register_device(
                        session, user.id, platform="fcm", token=f"{name}-{number}", environment=None, now=now()
                    )
                subscribe(session, user, None, site_id=self.site_id)
        self.sent: list[Key] = []
        # What becomes of new posts, how long the notify queue is, and the vendor's quota.
        self.fanout, self.queued, self.quota = "ready", 0, Room()
        quotas: Any = {Platform.FCM: self.quota}
        self.deliveries = Deliveries(database, over(self.fcm), lease_s=20.0, quotas=quotas)
        settings = FanOutSettings(slice_users=10, lease_s=60)
        room = NotifyRoom(1000, lambda: self.queued)
        self._fan_outs = FanOuts(database, settings, room=room, publish=self.sent.extend)
        self._broker = Broker(
            publish=self._publish,
            oldest=lambda _: [],
            empty_at=lambda _: None,
            room=NotifyRoom(100, lambda: 0),
        )

    def _publish(self, task: str, keys: Sequence[tuple[int, ...]]) -> None:
        if task == "send_digest":
            with self.database.reading() as session:
                keys = sorted(digests.leads(session, [key[0] for key in keys]).values())
        self.sent.extend((key[0], key[1]) for key in keys)

    def crawl(self, *titles: str, first: int = 0, **values: Any) -> None:
        with self.database.writing() as session:
            site = session.get_one(Site, self.site_id)
            seen = [found(number, title, **values) for number, title in enumerate(titles, first)]
            closed_run(session, site, seen, fanout=self.fanout, now=now())
        self.serve()

    def serve(self) -> None:
        with self.database.reading() as session:
            ready = session.scalars(select(Post.id).where(Post.fanout == "ready")).all()
        for post in ready:
            while self._fan_outs.next_slice(post) is SliceEnd.MORE:
                pass

    def look(self) -> None:
        look_at_edits(self.database, self._fan_outs.matchers)
        self.serve()

    def push(self, *answers: Outcome) -> list[tuple[str, str]]:
        """Deliver what there is a message for or is due; token and title of what was sent."""
        send_replacements(self.database, self._broker)
        self.fcm.answers, self.fcm.sent = list(answers), []
        keys, self.sent[:] = list(self.sent), []
        if keys:
            self.deliveries.deliver(keys)
        return sorted((message.token, message.title) for message in self.fcm.sent)

    def tick(self, *answers: Outcome, lost_before: datetime = LONG_AGO) -> list[tuple[str, str]]:
        """Send for all that is due, digests too, and send it."""
        send_due(self.database, self._broker, lost_before=lost_before)
        send_replacements(self.database, self._broker, lost_before=lost_before)
        send_digests(self.database, self._broker)
        return self.push(*answers)

    def rewrite(self, *titles: str, **values: Any) -> None:
        """Crawl an edit and look at it."""
        self.crawl(*titles, **values)
        self.look()

    def edit(self, *titles: str, **values: Any) -> list[tuple[str, str]]:
        """Crawl an edit, look at it, and send what that leads to."""
        self.rewrite(*titles, **values)
        return self.push()

    def rows(self, table: Any) -> Sequence[Any]:
        with self.database.reading() as session:
            return session.scalars(select(table)).all()

    def change(self, table: Any, **values: Any) -> None:
        with self.database.writing() as session:
            session.execute(update(table).values(**values))

    def want(self, **wish: Any) -> None:
        """Both readers say when they want to hear."""
        with self.database.writing() as session:
            session.execute(update(User).values(wish))
            for user_id in session.scalars(select(User.id)).all():
                Timing().change(session, user_id, now=now())

    def later(self, span: timedelta = timedelta(hours=1)) -> None:
        """What was, was so much earlier."""
        with self.database.writing() as session:
            for row in session.scalars(select(PostEdit)):
                row.replaced = [at - int(span.total_seconds()) for at in row.replaced]
                row.replace_at = row.replace_at and row.replace_at - span
            for each in session.scalars(select(Notification)):
                each.next_attempt_at -= span
                each.lease_until = each.lease_until and each.lease_until - span
            for delivery in session.scalars(select(Delivery).where(Delivery.next_attempt_at.is_not(None))):
                assert delivery.next_attempt_at is not None
                delivery.next_attempt_at -= span


def of_all(title: str) -> list[tuple[str, str]]:
    return [(token, title) for token in ("jun-0", "minji-0", "minji-1")]
