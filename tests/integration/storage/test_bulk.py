import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage import bulk, export, subscriptions, users
from storage.bulk import AWAKE, DeviceEntry, SubscriptionEntry, UserEntry
from storage.models import Device, Keyword, Subscription, User
from storage.session import Database
from storage.subscriptions import AS_INSTALLATION
from tests.support.builders import NOW, add_site, add_user, keyword
from tests.support.statements import counted


def entry(user: str, raw: str | None, **values: object) -> SubscriptionEntry:
    return SubscriptionEntry(user=user, keyword=keyword(raw) if raw else None, **values)  # type: ignore[arg-type]


def store(database: Database, entries: list[SubscriptionEntry], *, limit: int = 100) -> bulk.Stored:
    with database.writing() as session:
        return bulk.store_subscriptions(session, entries, limit=limit, add_users=True, now=NOW)


def exported(database: Database) -> list[SubscriptionEntry]:
    with database.reading() as session:
        return list(export.subscriptions(session))


def count(database: Database, table: type) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_users_are_added_and_what_is_said_of_them_is_changed(database: Database) -> None:
    with database.writing() as session:
        first = bulk.store_users(session, [UserEntry(user="a", timezone="Asia/Seoul"), UserEntry(user="b")], now=NOW)
    with database.writing() as session:
        again = bulk.store_users(session, [UserEntry(user="a", paused=True), UserEntry(user="c")], now=NOW)
        rows = list(export.users(session))
    assert (first.added, again.added) == (2, 1)
    assert rows == [
        UserEntry(user="a", timezone="Asia/Seoul", paused=True),
        UserEntry(user="b", timezone="UTC", paused=False),
        UserEntry(user="c", timezone="UTC", paused=False),
    ]


def test_of_what_a_user_wants_only_what_is_said_changes(database: Database) -> None:
    night = [{"start": "22:00", "end": "08:00"}]

    def said(**values: Any) -> UserEntry:
        with database.writing() as session:
            bulk.store_users(session, [UserEntry(user="a", **values), UserEntry(user="b")], now=NOW)
            return next(each for each in export.users(session) if each.user == "a")

    assert said(preferences={"quiet": night}, snooze_until=NOW).preferences == {"quiet": night}
    both = said(preferences={"daily_cap": None}, timezone="Asia/Seoul")
    assert (both.preferences, both.snooze_until) == ({"quiet": night, "daily_cap": None}, NOW)
    assert said(preferences={"quiet": AS_INSTALLATION}).preferences == {"daily_cap": None}
    nothing = said(preferences={"daily_cap": AS_INSTALLATION}, snooze_until=AWAKE)
    assert nothing == UserEntry(user="a", timezone="Asia/Seoul", paused=False)
    with database.reading() as session:
        assert session.scalars(select(User.external_id).where(User.preferences.is_not(None))).all() == []


def test_a_pace_stays_until_another_is_said(database: Database) -> None:
    for pace, kept in (("daily", "daily"), (None, "daily"), ("hourly", "hourly"), (AS_INSTALLATION, None)):
        store(database, [entry("a", "snow", pace=pace), entry("a", "rain")])
        assert [each.pace for each in exported(database)] == [kept, None]
        with database.writing() as session:
            user_id = users.by_external_id(session, "a").id
            one, _ = subscriptions.add(session, user_id, keyword=keyword("snow"), site_id=None, limit=9, now=NOW)
            assert one.pace == kept


def test_devices_move_to_their_new_owner_and_are_enabled_again(session: Session) -> None:
    add_user(session, "before")
    add_user(session, "after")
    device = session.scalars(select(Device).where(Device.token == "token-of-before")).one()
    device.disabled_at, device.disabled_reason = NOW, "UNREGISTERED"
    session.flush()
    entries = [
        DeviceEntry(user="after", platform="console", token="token-of-before"),
        DeviceEntry(user="after", platform="apns", token="new", environment="sandbox"),
        DeviceEntry(user="nobody", platform="fcm", token="x"),
    ]
    stored = bulk.store_devices(session, entries, add_users=False, now=NOW.replace(hour=10))
    session.expire_all()
    owner = users.by_external_id(session, "after")
    assert (device.user_id, device.disabled_at) == (owner.id, None)
    assert len(list(export.devices(session))) == 3
    assert (stored.added, list(stored.rejected)) == (1, [2])


def test_subscriptions_stored_again_change_nothing(database: Database) -> None:
    with database.writing() as session:
        add_site(session, "board")
    entries = [
        entry("a", "장학", exclude=frozenset([keyword("마감"), keyword("취소")])),
        entry("a", "장학", site="board", match_body=True),
        entry("a", None, site="board"),
        entry("b", "node.js"),
    ]
    assert store(database, entries).added == 4
    assert set(exported(database)) == set(entries)
    assert store(database, entries) == bulk.Stored(added=0, rejected={})
    assert set(exported(database)) == set(entries)


def test_the_last_word_on_a_subscription_counts(database: Database) -> None:
    store(database, [entry("a", "장학", exclude=frozenset([keyword("마감")]), match_body=True)])
    last = entry("a", "장학", exclude=frozenset([keyword("취소")]))
    store(database, [entry("a", "장학"), last])
    assert exported(database) == [last]


def test_what_cannot_be_stored_is_named_by_its_position(session: Session) -> None:
    entries = [entry("nobody", "장학"), entry("a", "장학", site="nowhere"), entry("a", "장학")]
    users.add(session, "a", timezone="UTC", now=NOW)
    stored = bulk.store_subscriptions(session, entries, limit=9, add_users=False, now=NOW)
    assert stored.added == 1
    assert {at: reason.split(" ")[3] for at, reason in stored.rejected.items()} == {0: "user", 1: "site"}


def test_the_limit_holds_and_the_first_ones_stay(database: Database) -> None:
    store(database, [entry("a", "phrase0")], limit=3)
    stored = store(database, [entry("a", f"phrase{n}") for n in (3, 0, 2, 1)], limit=3)
    assert (stored.added, sorted(stored.rejected)) == (2, [3])
    assert {e.keyword for e in exported(database)} == {keyword(f"phrase{n}") for n in (0, 2, 3)}


def test_two_imports_of_the_same_subscriptions_at_once_lose_and_duplicate_nothing(database: Database) -> None:
    entries = [entry(f"user-{n % 37}", f"phrase{n % 101}") for n in range(900)]

    def run(shuffle: Callable[[list[SubscriptionEntry]], object]) -> int:
        mine = list(entries)
        shuffle(mine)
        return sum(store(database, mine[at : at + 60]).added for at in range(0, len(mine), 60))

    with ThreadPoolExecutor(2) as pool:
        added = sum(pool.map(run, (list.reverse, random.Random(7).shuffle)))
    distinct = len(set(entries))
    assert added == distinct == count(database, Subscription) == len(set(exported(database)))
    assert (count(database, User), count(database, Keyword)) == (37, 101)


def test_the_limit_holds_when_two_import_for_one_user_at_once(database: Database) -> None:
    store(database, [entry("a", "first")])

    def run(start: int) -> None:
        for number in range(start, start + 10):
            store(database, [entry("a", f"phrase{number}")], limit=8)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, (0, 100)))
    assert count(database, Subscription) == 8


def test_a_batch_takes_the_same_number_of_statements_whatever_its_size(database: Database) -> None:
    numbers = []
    for size in (1, 300):
        with database.writing() as session, counted(session) as statements:
            entries = [entry(f"user-{size}-{n}", f"phrase{size}x{n}") for n in range(size)]
            bulk.store_subscriptions(session, entries, limit=9, add_users=True, now=NOW)
        numbers.append(len(statements))
    assert numbers[0] == numbers[1] <= 10


def test_a_phrase_is_found_whoever_added_it(session: Session) -> None:
    first = subscriptions.keyword_ids(session, [keyword("장학"), keyword("node.js")])
    again = subscriptions.keyword_ids(session, [keyword("node.js"), keyword("장학"), keyword("장학", "word")])
    assert {phrase: again[phrase] for phrase in first} == first
    assert len(set(again.values())) == 3
