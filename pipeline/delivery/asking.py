"""Asking when a person wants to be rung: from rows to facts, and from the answer to what a row waits for."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any

from sqlalchemy.orm import Session

from pipeline.basics.preferences import Pace, Preferences
from pipeline.basics.time_zones import find_zone
from pipeline.delivery import decisions as judging
from pipeline.delivery.recording import Batch
from pipeline.delivery.timing import Facts, InboxOnly, Reason, SendNow, WaitUntil, day_begin, offset_of, when
from pipeline.settings import Settings
from storage import deferring
from storage.claims import Claimed
from storage.deferring import Person, Wait
from storage.outcomes import NotificationRecord
from storage.serving import Ask


class Timing:
    """Decides for the people of this installation. Thread-safe."""

    def __init__(self, defaults: Preferences | None = None, *, spread_s: float = 0) -> None:
        """defaults: of those who said nothing. spread_s: over how many seconds one time of day is spread."""
        self._defaults = defaults or Preferences()
        self._spread_s = spread_s
        # Whether those who said nothing have to be asked too.
        self.for_everybody = self._defaults != Preferences()

    def preferences(self, column: Mapping[str, Any] | None) -> Preferences:
        """What stands in `users.preferences`, and where nothing does the installation's."""
        return self._defaults if column is None else _read(json.dumps(column, sort_keys=True), self._defaults)

    def facts(
        self,
        user_id: int,
        person: Person,
        *,
        now: datetime,
        created_at: datetime,
        ttl_s: float,
        pace: str | None = None,
        urgent: bool = False,
        waited: bool = False,
    ) -> Facts:
        """The facts about one post and one person."""
        return Facts(
            now=now,
            created_at=created_at,
            ttl_s=ttl_s,
            preferences=self.preferences(person.preferences),
            zone=zone_of(person.timezone),
            offset=offset_of(user_id, self._spread_s),
            snooze_until=person.snooze_until,
            paused=person.paused,
            pace=Pace(pace) if pace else None,
            urgent=urgent,
            waited=waited,
        )

    def capped(self, persons: Mapping[int, Person], now: datetime) -> dict[int, datetime]:
        """Since when the pushes count of those who have a cap."""
        return {
            user_id: day_begin(now, zone_of(person.timezone))
            for user_id, person in persons.items()
            if self.preferences(person.preferences).daily_cap is not None
        }

    def pushes(self, session: Session, claimed: Sequence[Claimed], *, token: str, now: datetime) -> Counter[int]:
        """How many pushes those who have a cap got today, by user id; one claim at a time counts them."""
        rings = [n for n in claimed if n.to_show is None]
        since = self.capped({n.user_id: n.person for n in rings if n.person is not None}, now)
        if not since:
            return Counter()
        deferring.lock(session, since)
        return Counter(deferring.pushed_since(session, since, but_for=token))

    def put_off(self, batch: Batch, pushed: Counter[int], at: datetime) -> dict[int, NotificationRecord]:
        """Those of a claimed batch that are not to be sent now, by id.

        What replaces a shown text makes no sound and counts nowhere, so it goes at any hour; not to who paused.
        """
        records = {}
        for notification in batch.notifications.values():
            if notification.person is None:
                continue
            if notification.to_show is not None:
                if notification.person.paused:
                    records[notification.id] = judging.replaced(notification)
                continue
            created_at, ttl_s = batch.life(notification)
            facts = self.facts(
                notification.user_id,
                notification.person,
                now=at,
                created_at=created_at,
                ttl_s=ttl_s,
                # The fan-out, which knew what matched, let it go past pace and digests.
                pace=Pace.NOW,
                urgent=batch.posts[notification.post_id].urgent,
                waited=bool(notification.digest_id or notification.attempts > 1 or notification.reached),
            )
            wait = wait_of(replace(facts, pushed_today=pushed[notification.user_id]))
            if wait is None:
                pushed[notification.user_id] += 1
            else:
                records[notification.id] = judging.put_off(notification, wait)
        return records

    def asker(self, *, ttl_s: float, urgent: bool, now: datetime) -> Ask:
        """Says for a fan-out which users have to wait for a post that is owed to them from now on."""

        def ask(session: Session, paces: Mapping[int, str | None]) -> dict[int, Wait]:
            people = deferring.persons(session, paces)
            waits = {
                user_id: wait_of(
                    self.facts(
                        user_id,
                        person,
                        now=now,
                        created_at=now,
                        ttl_s=ttl_s,
                        pace=paces[user_id],
                        urgent=urgent,
                    )
                )
                for user_id, person in people.items()
            }
            return {user_id: wait for user_id, wait in waits.items() if wait is not None}

        return ask

    def change(self, session: Session, user_id: int, *, now: datetime) -> None:
        """Let what waits for a user's time do as they want it now. In the transaction that changed what they want."""
        deferring.wake_digests(session, user_id, reasons=list(Reason), now=now)
        rows = deferring.waiting(session, user_id)
        if not rows:
            return
        person = deferring.persons(session, [user_id])[user_id]
        since = self.capped({user_id: person}, now)
        pushed = deferring.pushed_since(session, since).get(user_id, 0) if since else 0
        waits = {}
        for row in rows:
            facts = self.facts(
                user_id,
                person,
                now=now,
                created_at=row.created_at,
                ttl_s=row.ttl_s,
                pace=row.pace,
                urgent=row.urgent,
            )
            # What is due now goes as one, and so with what it waited for until now.
            waits[row.id] = wait_of(replace(facts, pushed_today=pushed)) or Wait(at=now, reason=Reason.DIGEST)
        deferring.retime(session, waits)


def timing_of(settings: Settings) -> Timing:
    """As this installation has it."""
    return Timing(settings.default_preferences, spread_s=settings.digest_spread_s)


def wait_of(facts: Facts) -> Wait | None:
    """What keeps a row from being sent, in the form of its columns; None: nothing."""
    match when(facts):
        case SendNow():
            return None
        case WaitUntil(time=at, reason=reason):
            return Wait(at=at, reason=reason)
        case InboxOnly(reason=reason):
            return Wait(at=facts.now, reason=reason, inbox_only=True)


@lru_cache(maxsize=4096)
def _read(column: str, defaults: Preferences) -> Preferences:
    try:
        return Preferences.from_json(json.loads(column), defaults)
    except ValueError:
        # It was checked when it was set, so another version wrote it.
        return defaults


@lru_cache(maxsize=1024)
def zone_of(name: str) -> tzinfo:
    """A user's zone; UTC for one that this machine does not know."""
    return find_zone(name) or UTC
