"""The keys of the HTTP API: adding, finding, showing and revoking them. What a key may do is pipeline.web's affair."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, String, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from storage.errors import StorageError
from storage.models import ApiKey
from storage.types import UTCDateTime

VALID_AT_ONCE = 2
"""Keys of one name that may be valid together: the old one and the one that replaces it."""


class ApiKeyError(StorageError, ValueError):
    """A key that cannot be made or revoked, with the reason and the way out. Never holds a key."""


def add(
    session: Session,
    *,
    name: str,
    scope: str,
    prefix: str,
    hash: str | None = None,  # noqa: A002 - the column's name
    algorithm: str | None = None,
    verification_key: str | None = None,
    expires_at: datetime | None,
    now: datetime,
) -> ApiKey:
    """Store a new key. Raises ApiKeyError when two keys of this name are valid already."""
    valid = session.scalar(select(func.count()).select_from(ApiKey).where(ApiKey.name == name, *_valid(now)))
    if (valid or 0) >= VALID_AT_ONCE:
        raise ApiKeyError(
            f"{name} has {VALID_AT_ONCE} valid keys already: `crawlpush keys revoke PREFIX` takes one away, "
            "`crawlpush keys list` shows them"
        )
    key = ApiKey(
        name=name,
        scope=scope,
        prefix=prefix,
        hash=hash,
        algorithm=algorithm,
        verification_key=verification_key,
        created_at=now,
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    return key


def listing(session: Session) -> Sequence[ApiKey]:
    """All keys, oldest first."""
    return session.scalars(select(ApiKey).order_by(ApiKey.id)).all()


@dataclass(frozen=True, kw_only=True)
class ValidKey:
    """What a request's credential is checked with."""

    id: int
    scope: str
    hash: str | None = field(repr=False)
    algorithm: str | None
    verification_key: str | None = field(repr=False)
    last_used_at: datetime | None


def valid_key(session: Session, prefix: str, *, now: datetime) -> ValidKey | None:
    """The key with this prefix, unless it expired or was revoked."""
    row = session.execute(_valid_key(), {"prefix": prefix, "now": now}).one_or_none()
    return ValidKey(**row._mapping) if row else None


@lru_cache
def _valid_key() -> Select[*tuple[Any, ...]]:
    columns = [getattr(ApiKey, each.name) for each in fields(ValidKey)]
    valid = _valid(bindparam("now", type_=UTCDateTime))
    return select(*columns).where(ApiKey.prefix == bindparam("prefix", type_=String), *valid)


def named(session: Session, name: str, scope: str, *, now: datetime) -> ApiKey | None:
    """The newest valid key of a name and scope."""
    query = select(ApiKey).where(ApiKey.name == name, ApiKey.scope == scope, *_valid(now))
    return session.scalar(query.order_by(ApiKey.id.desc()).limit(1))


def note_use(session: Session, key_id: int, *, now: datetime) -> None:
    """Remember when a key was last used."""
    session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=now))


def known_as(session: Session, name_or_prefix: str) -> Sequence[ApiKey]:
    """The key of a prefix, or those of a name, that are not revoked. Raises ApiKeyError when there is none."""
    keys = session.scalars(
        select(ApiKey).where(
            or_(ApiKey.name == name_or_prefix, ApiKey.prefix == name_or_prefix), ApiKey.revoked_at.is_(None)
        )
    ).all()
    if not keys:
        raise ApiKeyError(f"there is no valid key {name_or_prefix!r}: `crawlpush keys list` shows names and prefixes")
    return keys


def revoke(session: Session, name_or_prefix: str, *, now: datetime) -> Sequence[ApiKey]:
    """Take a key away, or all keys of a name; it takes effect at once. Raises ApiKeyError when there is none."""
    keys = known_as(session, name_or_prefix)
    for key in keys:
        key.revoked_at = now
    return keys


def _valid(now: datetime | ColumnElement[datetime]) -> tuple[ColumnElement[bool], ...]:
    return (ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now))
