"""Inserting a slice's notifications: of those who are to hear now, later, or have the story already."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, BigInteger, and_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from storage import stories
from storage.deferring import Matched, Wait, asked_about, insert_waiting
from storage.dialect import only_by_index
from storage.json_table import given, insert_from
from storage.models import Notification

Ask = Callable[[Session, Mapping[int, str | None]], Mapping[int, Wait]]
"""Says which of some users have to wait: they are given with the pace of what matched, by id."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a slice's notifications have in common."""

    post_id: int
    now: datetime
    # None: nobody has to be asked.
    ask: Ask | None
    everybody: bool


def serve(
    session: Session,
    matched: Sequence[Matched],
    served: Served,
    *,
    story_id: int | None = None,
    have_it: Collection[int] = (),
) -> Sequence[int]:
    """Insert notifications; returns the users whose one is to be sent now. `have_it`: who have the story already."""
    story: dict[str, Any] = {} if story_id is None else {"story_id": story_id}
    if have_it:
        _insert_merged(session, [row for row in matched if row.user_id in have_it], served, **story)
        matched = [row for row in matched if row.user_id not in have_it]
    waits: Mapping[int, Wait] = {}
    if served.ask is not None and (paces := asked_about(matched, everybody=served.everybody)):
        waits = served.ask(session, paces)
    if waits:
        later = [row for row in matched if row.user_id in waits]
        insert_waiting(session, served.post_id, later, waits, now=served.now, **story)
        matched = [row for row in matched if row.user_id not in waits]
    # For the checks of foreign keys, of which there are some for each reader.
    only_by_index(session)
    now = served.now
    statement = insert_from(
        session,
        Notification,
        _users(session, matched),
        post_id=served.post_id,
        created_at=now,
        enqueued_at=now,
        next_attempt_at=now,
        **story,
    )
    return session.scalars(
        statement.on_conflict_do_update(
            index_elements=[Notification.post_id, Notification.user_id],
            set_={"enqueued_at": statement.excluded.enqueued_at},
            where=and_(
                Notification.status == "pending",
                Notification.next_attempt_at <= statement.excluded.next_attempt_at,
                Notification.deferred.is_(None),
            ),
        ).returning(Notification.user_id)
    ).all()


def _insert_merged(session: Session, matched: Sequence[Matched], served: Served, **story: Any) -> None:
    merged = insert_from(
        session,
        Notification,
        _users(session, matched),
        post_id=served.post_id,
        status="merged",
        created_at=served.now,
        next_attempt_at=served.now,
        **story,
    )
    session.execute(merged.on_conflict_do_nothing(index_elements=[Notification.post_id, Notification.user_id]))


def _users(session: Session, matched: Sequence[Matched]) -> CTE:
    # They are given to the statement, not looked for again: a slice fits in memory, and matching costs more.
    rows = [{"user_id": row.user_id, "keyword_id": row.keyword_id} for row in matched]
    return given(session, "users", rows, {"user_id": BigInteger(), "keyword_id": BigInteger()})


STORY_TRIES = 5
"""Each time another post of the story took a reader at the same moment."""


def serve_story(session: Session, matched: Sequence[Matched], served: Served) -> Sequence[int]:
    """The same for a post that is a part of a story: who has the story already gets "merged".

    A fan-out of another of its posts may serve the same readers at this moment. The unique index lets one of the two
    be first; the other looks again.
    """
    for tries_left in reversed(range(STORY_TRIES)):
        try:
            with session.begin_nested():
                story_id, have_it = stories.slot(session, served.post_id, [row.user_id for row in matched])
                return serve(session, matched, served, story_id=story_id, have_it=have_it)
        except IntegrityError:
            if not tries_left:
                raise
    raise AssertionError
