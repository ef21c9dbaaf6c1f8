"""Users, devices and subscriptions by the thousand: each function stores one batch and says what it refused.

Storing a batch again changes nothing. Two that store the same rows at once take their locks in one order (users,
then keywords, then the rest, each sorted), so that one waits for the other and neither fails.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import CTE, BigInteger, Boolean, String, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from storage.json_table import given, given_values, insert_from
from storage.models import Device, Site, Subscription, SubscriptionExclusion, User
from storage.subscriptions import AS_INSTALLATION, KeywordText, keyword_ids, said_pace
from storage.users import or_renew


@dataclass(frozen=True, kw_only=True)
class UserEntry:
    """A user as an app's own database knows them. What is None stays as it is, and has its default in a new user."""

    user: str
    timezone: str | None = None
    paused: bool | None = None
    # Parts of `users.preferences`, in its form; AS_INSTALLATION takes one away.
    preferences: Mapping[str, Any] = field(default_factory=dict)
    # Until when they want no pushes; AWAKE ends that.
    snooze_until: datetime | None = None


AWAKE: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class DeviceEntry:
    """A device of a user; the token must be in the form of storage.device_tokens.in_one_form."""

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
    title_only: bool = False
    # As `storage.subscriptions.add` takes it.
    pace: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What became of a batch."""

    added: int
    # Position in the batch, and why that entry was not stored.
    rejected: Mapping[int, str]
    # The ids of users who were there and want something else now.
    changed: frozenset[int] = frozenset()


def store_users(session: Session, entries: Sequence[UserEntry], *, now: datetime) -> Stored:
    """Add users, or change what is said of those that are there. The last entry of a user counts."""
    latest = {entry.user: entry for entry in entries}
    added = _add_users(session, list(latest.values()), now=now)
    there = session.execute(
        select(User.external_id, User.id, User.timezone, User.paused, User.preferences, User.snooze_until)
        .where(User.external_id.in_(given_values(session, "names", latest, String())))
        .order_by(User.id)
        .with_for_update(key_share=True)
    )
    changed: list[dict[str, Any]] = []
    wishes: list[dict[str, Any]] = []
    for name, user_id, timezone, paused, preferences, snooze_until in there:
        entry = latest[name]
        values = (entry.timezone or timezone, paused if entry.paused is None else entry.paused)
        if values != (timezone, paused):
            changed.append({"id": user_id, "timezone": values[0], "paused": values[1]})
        wish = (_preferences(preferences or {}, entry), _snooze(snooze_until, entry))
        if wish != (preferences, snooze_until):
            wishes.append({"id": user_id, "preferences": wish[0], "snooze_until": wish[1]})
    if changed:
        rows = given(session, "changed", changed, {"id": BigInteger(), "timezone": String(), "paused": Boolean()})
        session.execute(
            update(User).where(User.id == rows.c.id).values(timezone=rows.c.timezone, paused=rows.c.paused),
            execution_options=_UNSEEN,
        )
    if wishes:
        # Row by row: few say anything, and a table of values gives JSON another type on each database.
        session.execute(update(User), wishes)
    return Stored(added=added, rejected={}, changed=frozenset(row["id"] for row in (*changed, *wishes)))


def _preferences(before: Mapping[str, Any], entry: UserEntry) -> dict[str, Any] | None:
    after = {**before, **entry.preferences}
    return {name: value for name, value in after.items() if value != AS_INSTALLATION} or None


def _snooze(before: datetime | None, entry: UserEntry) -> datetime | None:
    return before if entry.snooze_until is None else None if entry.snooze_until == AWAKE else entry.snooze_until


def store_devices(session: Session, entries: Sequence[DeviceEntry], *, add_users: bool, now: datetime) -> Stored:
    """Register devices as `storage.users.register_device` does. The last entry of a token counts."""
    users, rejected = _users_of(session, [entry.user for entry in entries], add=add_users, now=now)
    latest = {(e.platform, e.token): e for at, e in enumerate(entries) if at not in rejected}
    if not latest:
        return Stored(added=0, rejected=rejected)
    rows = given(
        session,
        "entries",
        [
            {
                "user_id": users[entry.user],
                "platform": entry.platform,
                "token": entry.token,
                "environment": entry.environment,
            }
            for entry in latest.values()
        ],
        {"user_id": BigInteger(), "platform": String(), "token": String(), "environment": String()},
    )
    order = ("platform", "token")
    statement = insert_from(session, Device, rows, order_by=order, created_at=now, last_seen_at=now)
    created = session.execute(or_renew(statement).returning(Device.created_at))
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
    changed = _settle(session, kept, added, keywords)
    return Stored(added=len(added) - len(over), rejected=rejected, changed=changed)


_UNSEEN = {"synchronize_session": False}
"""For changes of rows that the session holds no objects of."""

_Manner = tuple[bool, bool, str | None]
"""Where a subscription looks, and how often it pushes: match_body, title_only, pace."""

_Key = tuple[int, int | None, int | None]
"""What makes a subscription one: the ids of its user, keyword and site."""


def _add_users(session: Session, entries: Sequence[UserEntry], *, now: datetime) -> int:
    if not entries:
        return 0
    names = given_values(session, "names", [entry.user for entry in entries], String())
    known = set(session.scalars(select(User.external_id).where(User.external_id.in_(names))))
    new = [
        {"external_id": entry.user, "timezone": entry.timezone or "UTC", "paused": bool(entry.paused)}
        for entry in entries
        if entry.user not in known
    ]
    if not new:
        return 0
    rows = given(session, "entries", new, {"external_id": String(), "timezone": String(), "paused": Boolean()})
    statement = insert_from(session, User, rows, order_by=("external_id",), created_at=now)
    added = session.execute(statement.on_conflict_do_nothing(index_elements=[User.external_id]).returning(User.id))
    return len(added.all())


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
        .where(User.external_id.in_(given_values(session, "names", wanted, String())))
        .order_by(User.id)
        .with_for_update(key_share=True)
    )
    users: dict[str, int] = dict(rows.all())
    return users, {at: f"there is no user {name!r}" for at, name in enumerate(names) if name not in users}


def _add_subscriptions(
    session: Session, latest: Mapping[_Key, tuple[int, SubscriptionEntry]], *, now: datetime
) -> dict[_Key, int]:
    """Insert those that are new and return their ids."""
    if not latest:
        return {}
    rows = given(
        session,
        "entries",
        [
            {
                "user_id": user_id,
                "keyword_id": keyword_id,
                "site_id": site_id,
                "match_body": entry.match_body,
                "title_only": entry.title_only,
                "pace": said_pace(entry.pace),
            }
            for (user_id, keyword_id, site_id), (_, entry) in latest.items()
        ],
        {
            "user_id": BigInteger(),
            "keyword_id": BigInteger(),
            "site_id": BigInteger(),
            "match_body": Boolean(),
            "title_only": Boolean(),
            "pace": String(),
        },
    )
    # In any order: whoever inserts for a user holds the user's row.
    statement = (
        insert_from(session, Subscription, rows, created_at=now)
        .on_conflict_do_nothing()
        .returning(Subscription.user_id, Subscription.keyword_id, Subscription.site_id, Subscription.id)
    )
    inserted = session.execute(statement)
    return {(user_id, keyword_id, site_id): number for user_id, keyword_id, site_id, number in inserted}


def _over_limit(session: Session, added: Mapping[_Key, int], positions: Mapping[_Key, int], *, limit: int) -> set[_Key]:
    """Take back what passes the limit of a user, the last entries first, and return their keys."""
    theirs: dict[int, list[_Key]] = defaultdict(list)
    for key in added:
        theirs[key[0]].append(key)
    counts = session.execute(
        select(Subscription.user_id, func.count())
        .where(Subscription.user_id.in_(given_values(session, "users", theirs, BigInteger())))
        .group_by(Subscription.user_id)
        .having(func.count() > limit)
    )
    over: set[_Key] = set()
    for user_id, count in counts:
        newest_last = sorted(theirs[user_id], key=lambda key: positions[key])
        over.update(newest_last[max(0, len(newest_last) - (count - limit)) :])
    if over:
        gone = given_values(session, "gone", [added[key] for key in over], BigInteger())
        session.execute(delete(Subscription).where(Subscription.id.in_(gone)), execution_options=_UNSEEN)
    return over


def _settle(
    session: Session,
    entries: Mapping[_Key, SubscriptionEntry],
    added: Mapping[_Key, int],
    keywords: Mapping[KeywordText, int],
) -> frozenset[int]:
    """Give subscriptions that were there already what the entry says, and all of them their excluded phrases.

    Returns the users whose subscriptions push at another pace now.
    """
    there = _existing(session, [key for key in entries if key not in added])
    turned: dict[_Manner, list[int]] = defaultdict(list)
    repaced = set()
    for key, (number, manner) in there.items():
        entry = entries[key]
        wished = (entry.match_body, entry.title_only, manner[2] if entry.pace is None else said_pace(entry.pace))
        if wished != manner:
            turned[wished].append(number)
        if wished[2] != manner[2]:
            repaced.add(key[0])
    for (match_body, title_only, pace), changed in turned.items():
        numbers = given_values(session, "turned", changed, BigInteger())
        turn = update(Subscription).where(Subscription.id.in_(numbers))
        session.execute(turn.values(match_body=match_body, title_only=title_only, pace=pace), execution_options=_UNSEEN)
    ids = {
        **{key: added[key] for key in entries if key in added},
        **{key: number for key, (number, *_) in there.items()},
    }
    wanted = {(number, keywords[phrase]) for key, number in ids.items() for phrase in entries[key].exclude}
    exclusion = (SubscriptionExclusion.subscription_id, SubscriptionExclusion.keyword_id)
    present = set()
    if there:
        old = given_values(session, "old", [number for number, *_ in there.values()], BigInteger())
        rows = session.execute(select(*exclusion).where(SubscriptionExclusion.subscription_id.in_(old)))
        present = {(number, keyword_id) for number, keyword_id in rows}
    if gone := present - wanted:
        pairs = select(*_exclusions(session, gone).c)
        session.execute(delete(SubscriptionExclusion).where(tuple_(*exclusion).in_(pairs)), execution_options=_UNSEEN)
    if new := wanted - present:
        statement = insert_from(session, SubscriptionExclusion, _exclusions(session, new))
        session.execute(statement.on_conflict_do_nothing())
    return frozenset(repaced)


def _exclusions(session: Session, pairs: Iterable[tuple[int, int]]) -> CTE:
    return given(
        session,
        "pairs",
        [{"subscription_id": number, "keyword_id": keyword_id} for number, keyword_id in pairs],
        {"subscription_id": BigInteger(), "keyword_id": BigInteger()},
    )


def _existing(session: Session, keys: Sequence[_Key]) -> dict[_Key, tuple[int, _Manner]]:
    """The ids of subscriptions, and where they look and how often they push."""
    if not keys:
        return {}
    user_ids = given_values(session, "users", {user_id for user_id, _, _ in keys}, BigInteger())
    phrases = given_values(session, "phrases", {keyword_id for _, keyword_id, _ in keys if keyword_id}, BigInteger())
    rows = session.execute(
        select(
            Subscription.user_id,
            Subscription.keyword_id,
            Subscription.site_id,
            Subscription.id,
            Subscription.match_body,
            Subscription.title_only,
            Subscription.pace,
        ).where(
            Subscription.user_id.in_(user_ids),
            or_(Subscription.keyword_id.in_(phrases), Subscription.keyword_id.is_(None)),
        )
    )
    found = {
        (row.user_id, row.keyword_id, row.site_id): (row.id, (row.match_body, row.title_only, row.pace)) for row in rows
    }
    return {key: found[key] for key in keys if key in found}
