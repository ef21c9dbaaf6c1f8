"""Records of users, devices and subscriptions into the database, batch by batch, each one transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from pipeline.delivery.asking import Timing
from pipeline.people import entries, records, storing
from pipeline.resources import now
from storage import bulk
from storage.bulk import Stored
from storage.dialect import only_by_index
from storage.session import Database

ATTEMPTS = 3
"""A transaction that lost against another one is done again so many times."""


@dataclass(frozen=True, kw_only=True)
class Importer:
    """How one kind of record is read and stored."""

    columns: Sequence[str]
    # Raises a ValueError with the reason for a record that cannot be stored.
    parse: Callable[[Mapping[str, Any]], Any]
    store: Callable[[Session, Sequence[Any]], Stored]


@dataclass(frozen=True, kw_only=True)
class BatchEnd:
    """What became of a batch: how many are new, and the reasons of the lines that were refused."""

    added: int
    problems: Mapping[int, str]


def user_importer(*, timing: Timing) -> Importer:
    """Users, with their time zone and pause, and when and how often they want to hear."""
    return Importer(
        columns=entries.USER_COLUMNS,
        parse=entries.user_entry,
        store=lambda session, batch: storing.store_users(session, batch, timing=timing, now=now()),
    )


def device_importer(*, add_users: bool) -> Importer:
    """Devices of users."""
    return Importer(
        columns=entries.DEVICE_COLUMNS,
        parse=entries.device_entry,
        store=lambda session, batch: bulk.store_devices(session, batch, add_users=add_users, now=now()),
    )


def subscription_importer(*, limit: int, add_users: bool, timing: Timing) -> Importer:
    """Subscriptions of users, at most `limit` each."""
    return Importer(
        columns=entries.SUBSCRIPTION_COLUMNS,
        parse=entries.subscription_entry,
        store=lambda session, batch: storing.store_subscriptions(
            session, batch, limit=limit, add_users=add_users, timing=timing, now=now()
        ),
    )


def import_batch(
    database: Database, importer: Importer, batch: Sequence[records.Record], *, dry_run: bool = False
) -> BatchEnd:
    """Store a batch of records; what cannot be stored is told, and keeps nobody else out."""
    found, lines, problems = [], [], {}
    for record in batch:
        try:
            if record.problem is not None:
                raise records.RecordsError(record.problem)
            found.append(importer.parse(record.values))
        except ValueError as error:
            problems[record.line] = str(error)
        else:
            lines.append(record.line)
    stored = _store(database, importer, found, dry_run=dry_run) if found else Stored(added=0, rejected={})
    problems.update({lines[at]: reason for at, reason in stored.rejected.items()})
    return BatchEnd(added=stored.added, problems=problems)


def _store(database: Database, importer: Importer, found: Sequence[Any], *, dry_run: bool) -> Stored:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _transaction(database, importer, found, dry_run=dry_run)
        except (OperationalError, IntegrityError):
            # A deadlock, a serialisation failure, or a user that was forgotten at this moment.
            if attempt == ATTEMPTS:
                raise
    raise AssertionError


def _transaction(database: Database, importer: Importer, found: Sequence[Any], *, dry_run: bool) -> Stored:
    with database.writing() as session:
        only_by_index(session)
        stored = importer.store(session, found)
        if dry_run:
            session.rollback()
    return stored
