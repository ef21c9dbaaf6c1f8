"""Storing what people want to hear, and when, so that it holds at once for what waits for them too."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from pipeline.delivery.asking import Timing
from storage import bulk, deferring
from storage.bulk import Stored, SubscriptionEntry, UserEntry


def store_users(session: Session, entries: Sequence[UserEntry], *, timing: Timing, now: datetime) -> Stored:
    """As `storage.bulk.store_users` does."""
    stored = bulk.store_users(session, entries, now=now)
    hold(session, stored.changed, timing=timing, now=now)
    return stored


def store_subscriptions(
    session: Session,
    entries: Sequence[SubscriptionEntry],
    *,
    limit: int,
    add_users: bool,
    timing: Timing,
    now: datetime,
) -> Stored:
    """As `storage.bulk.store_subscriptions` does."""
    stored = bulk.store_subscriptions(session, entries, limit=limit, add_users=add_users, now=now)
    hold(session, stored.changed, timing=timing, now=now)
    return stored


def hold(session: Session, user_ids: Collection[int], *, timing: Timing, now: datetime) -> None:
    """Let what users want hold for what waits for them, in the transaction that changed it."""
    for user_id in deferring.those_waiting(session, user_ids):
        timing.change(session, user_id, now=now)
