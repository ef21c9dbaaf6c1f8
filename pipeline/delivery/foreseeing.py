"""What would become of a post for the people whom it matches, if it came at some moment. Changes nothing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from pipeline.delivery.asking import Timing, wait_of
from storage import deferring
from storage.deferring import Wait


def foresee(
    session: Session, timing: Timing, paces: Mapping[int, str | None], *, ttl_s: float, urgent: bool, at: datetime
) -> dict[int, Wait]:
    """Those of some people who would have to wait, by id, with the pushes that they got on that day until now.

    paces: of what matched, by the person's id.
    """
    people = deferring.persons(session, paces, lock=False)
    since = timing.capped(people, at)
    pushed = deferring.pushed_since(session, since) if since else {}
    waits = {}
    for user_id, person in people.items():
        facts = timing.facts(user_id, person, now=at, created_at=at, ttl_s=ttl_s, pace=paces[user_id], urgent=urgent)
        waits[user_id] = wait_of(replace(facts, pushed_today=pushed.get(user_id, 0)))
    return {user_id: wait for user_id, wait in waits.items() if wait is not None}
