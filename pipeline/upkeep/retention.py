"""Retention: removes what is older than the settings say, batch by batch, with room for everybody else in between."""

import logging
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError

from pipeline.settings import Settings
from storage import retention
from storage.retention import Moments, Prunable
from storage.session import Database

logger = logging.getLogger(__name__)

BATCH = 1_000
"""Rows of one transaction: some hundredths of a second, which is what a writer has to wait on SQLite."""


def moments(settings: Settings, at: datetime) -> Moments:
    """What is old at a moment."""
    texts = settings.retention_post_texts_days
    return Moments(
        runs=at - timedelta(days=settings.retention_runs_days),
        notifications=at - timedelta(days=settings.retention_notifications_days),
        deliveries=at - timedelta(days=settings.retention_deliveries_days),
        texts=at - timedelta(days=texts) if texts else None,
    )


def prunable(database: Database, old: Moments) -> Prunable:
    """What `prune` would remove at this moment."""
    with database.reading() as session:
        return retention.prunable(session, old)


def prune(database: Database, old: Moments) -> Prunable:
    """Remove what is old, and return how much. Safe to stop at any moment, and to run twice at once."""
    notifications, deliveries = _notifications(database, old.notifications)
    removed = Prunable(
        runs=_runs(database, old.runs),
        notifications=notifications,
        deliveries=deliveries + _deliveries(database, old.deliveries),
        post_texts=_texts(database, old.texts) if old.texts else 0,
        keywords=_keywords(database),
    )
    logger.info("old rows removed", extra={"fields": asdict(removed)})
    return removed


def _notifications(database: Database, before: datetime) -> tuple[int, int]:
    notifications = deliveries = 0
    cursor: int | None = 0
    while cursor is not None:
        with database.writing() as session:
            part = retention.remove_notifications(session, after=cursor, before=before, limit=BATCH)
        notifications, deliveries = notifications + part.notifications, deliveries + part.deliveries
        cursor = part.cursor
    return notifications, deliveries


def _deliveries(database: Database, before: datetime) -> int:
    removed = 0
    cursor: int | None = 0
    while cursor is not None:
        with database.writing() as session:
            count, cursor = retention.remove_deliveries(session, after=cursor, before=before, limit=BATCH)
        removed += count
    return removed


def _runs(database: Database, before: datetime) -> int:
    with database.reading() as session:
        sites = retention.site_ids(session)
    removed = 0
    for site_id in sites:
        count = BATCH
        while count == BATCH:
            with database.writing() as session:
                count = retention.remove_runs(session, site_id, before=before, limit=BATCH)
            removed += count
    return removed


def _texts(database: Database, before: datetime) -> int:
    emptied, count = 0, BATCH
    while count == BATCH:
        with database.writing() as session:
            count = retention.empty_posts(session, before=before, limit=BATCH)
        emptied += count
    return emptied


def _keywords(database: Database) -> int:
    removed, cursor = 0, 0
    while True:
        try:
            with database.writing() as session:
                count, following = retention.remove_keywords(session, after=cursor, limit=BATCH)
        except IntegrityError:
            # Somebody subscribed to one of them at this moment. It is asked again, and is used then.
            continue
        removed += count
        if following is None:
            return removed
        cursor = following
