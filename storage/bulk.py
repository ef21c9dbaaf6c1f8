"""Users, devices and subscriptions by the thousand: each function stores one batch and says what it refused.

Storing a batch again changes nothing. Two that store the same rows at once take their locks in one order (users,
then keywords, then the rest, each sorted), so that one waits for the other and neither fails.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from storage.dialect import insert
from storage.models import Device, Site, Subscription, SubscriptionExclusion, User
from storage.subscriptions import KeywordText, keyword_ids


@dataclass(frozen=True, kw_only=True)
class UserEntry:
    """A user as an app's own database knows them. What is None stays as it is, and has its default in a new user."""

    user: str
    timezone: str | None = None
    paused: bool | None = None


@dataclass(frozen=True, kw_only=True)
class DeviceEntry:
    """A device of a user; the token must have passed storage.users.check_token."""

    user: str
    platform: str
    token: str = field(repr=False)
    environment: str | None = None


@dataclass(frozen=True, kw_only=True)
class SubscriptionEntry:
    """What a user wants to hear of; without a keyword every post of the site."""

    user: str
    keyword: KeywordText | None
    site: str | None = None
    exclude: frozenset[KeywordText] = frozenset()
    match_body: bool = False


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What became of a batch."""

    added: int
    # Position in the batch, and why that entry was not stored.
    rejected: Mapping[int, str]


def store_users(session: Session, entries: Sequence[UserEntry], *, now: datetime) -> Stored:
    """Add users, or change the time zone and the pause of those that are there. The last entry of a user counts."""
    latest = {entry.user: entry for entry in entries}
    added = _add_users(session, list(latest.values()), now=now)
    there = session.execute(
        select(User.external_id, User.id, User.timezone, User.paused)
        .where(User.external_id.in_(latest))
        .order_by(User.id)
        .with_for_update(key_share=True)
    )
    changed = []
    for name, user_id, timezone, paused in there:
        entry = latest[name]
        values = (entry.timezone or timezone, paused if entry.paused is None else entry.paused)
        if values != (timezone, paused):
            changed.append({"key": user_id, "zone": values[0], "pause": values[1]})
    if changed:
        session.connection().execute(
            update(User)
            .where(User.id == bindparam("key"))
            .values(timezone=bindparam("zone"), paused=bindparam("pause")),
            changed,
        )
    return Stored(added=added, rejected={})


def store_devices(session: Session, entries: Sequence[DeviceEntry], *, add_users: bool, now: datetime) -> Stored:
    """Register devices as `storage.users.register_device` does. The last entry of a token counts."""
    users, rejected = _users_of(session, [entry.user for entry in entries], add=add_users, now=now)
    latest = {(e.platform, e.token): e for at, e in enumerate(entries) if at not in rejected}
    if not latest:
        return Stored(added=0, rejected=rejected)
    statement = insert(session, Device)
    created = session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=[Device.platform, Device.token],
            set_={
                "user_id": statement.excluded.user_id,
                "environment": func.coalesce(statement.excluded.environment, Device.environment),
                "last_seen_at": statement.excluded.last_seen_at,
                "disabled_at": None,
                "disabled_reason": None,
            },
        ).returning(Device.created_at),
        [
            {
                "user_id": users[entry.user],
                "platform": entry.platform,
                "token": entry.token,
                "environment": entry.environment,
                "created_at": now,
                "last_seen_at": now,
            }
            for _, entry in sorted(latest.items())
        ],
    )
    return Stored(added=sum(at == now for at in created.scalars()), rejected=rejected)


def store_subscriptions(
    session: Session, entries: Sequence[SubscriptionEntry], *, limit: int, add_users: bool, now: datetime
) -> Stored:
    """Subscribe users as `storage.subscriptions.add` does, at most `limit` each. The last entry of its kind counts."""
    users, rejected = _users_of(session, [entry.user for entry in entries], add=add_users, now=now)
    sites: dict[str, int] = dict(session.execute(select(Site.name, Site.id)).all())
    good: list[tuple[int, SubscriptionEntry]] = []
    for at, entry in enumerate(entries):
        if at in rejected:
            continue
        if entry.site is not None and entry.site not in sites:
            rejected[at] = f"there is no site {entry.site!r}"
        elif entry.keyword is None and entry.site is None:
            rejected[at] = "it has neither a phrase nor a site"
        else:
            good.append((at, entry))
    phrases = {phrase for _, e in good for phrase in (*e.exclude, *([e.keyword] if e.keyword else []))}
    keywords = keyword_ids(session, phrases)
    latest: dict[_Key, tuple[int, SubscriptionEntry]] = {}
    for at, entry in good:
        key = (
            users[entry.user],
            keywords[entry.keyword] if entry.keyword else None,
            sites[entry.site] if entry.site else None,
        )
        latest[key] = (at, entry)
    added = _add_subscriptions(session, latest, now=now)
    over = _over_limit(session, added, {key: at for key, (at, _) in latest.items()}, limit=limit)
    for key in over:
        rejected[latest[key][0]] = f"the user has {limit} subscriptions already, which is the limit"
    kept = {key: entry for key, (_, entry) in latest.items() if key not in over}
    _settle(session, kept, added, keywords)
    return Stored(added=len(added) - len(over), rejected=rejected)


_Key = tuple[int, int | None, int | None]
"""What makes a subscription one: the ids of its user, keyword and site."""


def _add_users(session: Session, entries: Sequence[UserEntry], *, now: datetime) -> int:
    if not entries:
        return 0
    known = set(session.scalars(select(User.external_id).where(User.external_id.in_([e.user for e in entries]))))
    rows = [
        {
            "external_id": entry.user,
            "timezone": entry.timezone or "UTC",
            "paused": bool(entry.paused),
            "created_at": now,
        }
        for entry in sorted(entries, key=lambda entry: entry.user)
        if entry.user not in known
    ]
    if not rows:
        return 0
    statement = insert(session, User).on_conflict_do_nothing(index_elements=[User.external_id]).returning(User.id)
    return len(session.connection().execute(statement, rows).all())


def _users_of(
    session: Session, names: Sequence[str], *, add: bool, now: datetime
) -> tuple[dict[str, int], dict[int, str]]:
    """The ids of the named users, locked until the transaction ends, and the positions of those that do not exist."""
    wanted = set(names)
    if add:
        _add_users(session, [UserEntry(user=name) for name in wanted], now=now)
    # Two imports that add to one user's subscriptions must count them one after the other, else the limit leaks.
    rows = session.execute(
        select(User.external_id, User.id)
        .where(User.external_id.in_(wanted))
        .order_by(User.id)
        .with_for_update(key_share=True)
    )
    users: dict[str, int] = dict(rows.all())
    return users, {at: f"there is no user {name!r}" for at, name in enumerate(names) if name not in users}


def _add_subscriptions(
    session: Session, latest: Mapping[_Key, tuple[int, SubscriptionEntry]], *, now: datetime
) -> dict[_Key, int]:
    """Insert those that are new and return their ids."""
    rows: list[dict[str, Any]] = [
        {
            "user_id": key[0],
            "keyword_id": key[1],
            "site_id": key[2],
            "match_body": latest[key][1].match_body,
            "created_at": now,
        }
        for key in sorted(latest, key=_sort_key)
    ]
    if not rows:
        return {}
    statement = (
        insert(session, Subscription)
        .on_conflict_do_nothing()
        .returning(Subscription.user_id, Subscription.keyword_id, Subscription.site_id, Subscription.id)
    )
    inserted = session.connection().execute(statement, rows)
    return {(user_id, keyword_id, site_id): number for user_id, keyword_id, site_id, number in inserted}


def _sort_key(key: _Key) -> tuple[int, int, int]:
    return (key[0], key[1] or 0, key[2] or 0)


def _over_limit(session: Session, added: Mapping[_Key, int], positions: Mapping[_Key, int], *, limit: int) -> set[_Key]:
    """Take back what passes the limit of a user, the last entries first, and return their keys."""
    counts = session.execute(
        select(Subscription.user_id, func.count())
        .where(Subscription.user_id.in_({user_id for user_id, _, _ in added}))
        .group_by(Subscription.user_id)
        .having(func.count() > limit)
    ).all()
    over: set[_Key] = set()
    for user_id, count in counts:
        theirs = sorted((key for key in added if key[0] == user_id), key=lambda key: positions[key])
        over.update(theirs[max(0, len(theirs) - (count - limit)) :])
    if over:
        session.execute(delete(Subscription).where(Subscription.id.in_([added[key] for key in over])))
    return over


def _settle(
    session: Session,
    entries: Mapping[_Key, SubscriptionEntry],
    added: Mapping[_Key, int],
    keywords: Mapping[KeywordText, int],
) -> None:
    """Give subscriptions that were there already what the entry says, and all of them their excluded phrases."""
    there = _existing(session, [key for key in entries if key not in added])
    for value in (True, False):
        turned = [number for key, (number, body) in there.items() if body != value == entries[key].match_body]
        if turned:
            session.execute(update(Subscription).where(Subscription.id.in_(turned)).values(match_body=value))
    ids = {
        **{key: added[key] for key in entries if key in added},
        **{key: number for key, (number, _) in there.items()},
    }
    wanted = {(number, keywords[phrase]) for key, number in ids.items() for phrase in entries[key].exclude}
    exclusion = (SubscriptionExclusion.subscription_id, SubscriptionExclusion.keyword_id)
    present = set()
    if there:
        old = [number for number, _ in there.values()]
        rows = session.execute(select(*exclusion).where(SubscriptionExclusion.subscription_id.in_(old)))
        present = {(number, keyword_id) for number, keyword_id in rows}
    if gone := present - wanted:
        session.execute(delete(SubscriptionExclusion).where(tuple_(*exclusion).in_(sorted(gone))))
    if new := wanted - present:
        session.connection().execute(
            insert(session, SubscriptionExclusion).on_conflict_do_nothing(),
            [{"subscription_id": number, "keyword_id": keyword_id} for number, keyword_id in sorted(new)],
        )


def _existing(session: Session, keys: Sequence[_Key]) -> dict[_Key, tuple[int, bool]]:
    """The ids of subscriptions, and whether they look in the body."""
    if not keys:
        return {}
    wanted = set(keys)
    rows = session.execute(
        select(
            Subscription.user_id,
            Subscription.keyword_id,
            Subscription.site_id,
            Subscription.id,
            Subscription.match_body,
        ).where(
            Subscription.user_id.in_({user_id for user_id, _, _ in wanted}),
            or_(
                Subscription.keyword_id.in_({keyword_id for _, keyword_id, _ in wanted if keyword_id}),
                Subscription.keyword_id.is_(None),
            ),
        )
    )
    found = {(row.user_id, row.keyword_id, row.site_id): (row.id, row.match_body) for row in rows}
    return {key: found[key] for key in wanted if key in found}
