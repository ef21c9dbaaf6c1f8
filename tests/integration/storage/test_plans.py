"""That every query of the product that meets large tables goes by an index: PostgreSQL's own plans say so."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, event, text
from sqlalchemy.orm import Session

from storage import (
    channels,
    claims,
    crawl_runs,
    deferring,
    digests,
    edits,
    inbox,
    leaving,
    matching,
    notifications,
    outcomes,
    outgoing,
    overview,
    pauses,
    posts,
    recent,
    replacing,
    retention,
    showings,
    stories,
    subscriptions,
    traces,
    users,
)
from storage.matching import Hit
from storage.models import Base, CrawlRun
from storage.outcomes import DeliveryRecord, NotificationRecord
from storage.session import Database
from tests.support.builders import NOW
from tests.support.services import PostgresDatabases

LARGE = {"users", "devices", "subscriptions", "keywords", "posts", "notifications", "deliveries", "crawl_runs"}
LATER = NOW + timedelta(minutes=1)
OLD = NOW - timedelta(days=30)

SEED = """
INSERT INTO sites (id, name, spider, params, created_at, next_crawl_at)
    SELECT n, 'site-' || n, 'listing', '{}', :now, :now FROM generate_series(1, 50) n;
INSERT INTO crawl_runs (id, site_id, trigger, status, created_at, finished_at, status_counts, finish_reason)
    SELECT n, 1 + n % 50, 'beat', 'finished', :now, CAST(:now AS timestamptz) - n * interval '1 minute', '{}', 'end'
    FROM generate_series(1, 20000) n;
INSERT INTO posts (id, site_id, run_id, external_id, url, title, body, first_seen_at, content_hash, fanout)
    SELECT n, 1 + n % 50, n, 'id-' || n, 'https://board.test', 'title', CASE WHEN n % 100 = 0 THEN 'body' ELSE '' END,
        CAST(:now AS timestamptz) - (20000 - n) * interval '1 minute', '', 'done' FROM generate_series(1, 20000) n;
INSERT INTO users (id, external_id, created_at) SELECT n, 'user-' || n, :now FROM generate_series(1, 20000) n;
INSERT INTO devices (id, user_id, platform, token, created_at, last_seen_at)
    SELECT n, n, 'fcm', 'token-' || n, :now, :now FROM generate_series(1, 20000) n;
INSERT INTO keywords (id, text, kind) SELECT n, 'phrase' || n, 'word' FROM generate_series(1, 20000) n;
INSERT INTO subscriptions (user_id, keyword_id, created_at)
    SELECT u, 1 + (u * 7 + k * 131) % 20000, :now FROM generate_series(1, 20000) u, generate_series(1, 4) k
    ON CONFLICT DO NOTHING;
INSERT INTO subscriptions (user_id, site_id, created_at)
    SELECT u, 1 + u % 50, :now FROM generate_series(1, 20000, 10) u;
INSERT INTO notifications (id, post_id, user_id, status, created_at, next_attempt_at, enqueued_at, read_at)
    SELECT n, 1 + n % 20000, 1 + (n * 17 + n / 20000) % 20000,
        CASE WHEN n % 1000 = 0 THEN 'pending' WHEN n % 1000 = 1 THEN 'failed'
            WHEN n % 1000 = 2 THEN 'sending' ELSE 'sent' END,
        CAST(:now AS timestamptz) - (60000 - n) * interval '1 minute',
        :now, :now, CASE WHEN n % 20 = 0 THEN NULL ELSE CAST(:now AS timestamptz) END
    FROM generate_series(1, 60000) n ON CONFLICT DO NOTHING;
INSERT INTO deliveries (notification_id, device_id, platform, status, at)
    SELECT id, user_id, 'fcm', 'delivered', created_at FROM notifications ORDER BY id;
SELECT setval(pg_get_serial_sequence('notifications', 'id'), 100000);
"""


@pytest.fixture(scope="module")
def large(_postgres_databases: PostgresDatabases) -> Iterator[Database]:
    """With statistics, as autovacuum leaves them."""
    yield from seeded(_postgres_databases, analyzed=True)


@pytest.fixture(scope="module")
def grown(_postgres_databases: PostgresDatabases) -> Iterator[Database]:
    """As a database is that grew within a minute: PostgreSQL knows nothing yet of what stands in it."""
    yield from seeded(_postgres_databases, analyzed=False)


@pytest.fixture(scope="module")
def idle(_postgres_databases: PostgresDatabases) -> Iterator[Database]:
    """As most installations are: the statistics are of a time when nothing waited, and then a lot waits."""
    for database in seeded(_postgres_databases, analyzed=False):
        with database.writing() as session:
            session.execute(text("UPDATE notifications SET status = 'sent' WHERE status IN ('pending', 'sending')"))
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        with database.writing() as session:
            session.execute(text("UPDATE notifications SET status = 'pending' WHERE id > 30000 OR id % 1000 = 0"))
        yield database


@pytest.fixture(scope="module")
def young(_postgres_databases: PostgresDatabases) -> Iterator[Database]:
    """The same a fifth as large: reading it all looks cheap."""
    yield from seeded(_postgres_databases, analyzed=False, seed=SEED.replace("20000", "4000").replace("60000", "12000"))


@pytest.fixture(scope="module")
def outgrown(_postgres_databases: PostgresDatabases) -> Iterator[tuple[Connection, Connection]]:
    """A connection that was asked everything a dozen times while there was little, before more came; and a new one."""
    for database in seeded(
        _postgres_databases, analyzed=True, seed=SEED.replace("20000", "400").replace("60000", "400")
    ):
        with database.engine.connect() as connection:
            for query in list(ALL.values()) * 12:
                # What a query finds is not what it finds among many.
                with Session(connection) as session, suppress(AssertionError):
                    query(session)
                connection.rollback()
            with database.writing() as session:
                for table in reversed(Base.metadata.sorted_tables):
                    session.execute(delete(table))
            fill(database, SEED)
            database.engine.pool = database.engine.pool.recreate()
            with database.engine.connect() as another:
                yield connection, another


@pytest.fixture
def fresh(_postgres_databases: PostgresDatabases) -> Iterator[Database]:
    """With posts, and nobody yet who is to hear of them."""
    yield from seeded(_postgres_databases, analyzed=False, seed=";\n".join(SEED.split(";\n")[:3]))


def seeded(databases: PostgresDatabases, *, analyzed: bool, seed: str = SEED) -> Iterator[Database]:
    url = databases.create(migrated=True)
    database = Database(url)
    with database.writing() as session:
        for table in LARGE:
            session.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
    fill(database, seed)
    if analyzed:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    yield database
    database.close()
    databases.drop(url)


def fill(database: Database, seed: str) -> None:
    with database.writing() as session:
        for statement in seed.split(";\n"):
            if statement.strip():
                session.execute(text(statement), {"now": NOW})


HIT = Hit(site_id=3, title_ids=range(1, 60), all_ids=range(1, 75), match_body=False)
# The pending ones of SEED: of what is not free, a claim asks no more.
KEYS = [(1 + n % 20_000, 1 + (n * 17 + n // 20_000) % 20_000) for n in range(1_000, 60_001, 1_000)]


def claim(session: Session) -> None:
    assert len(claims.claim(session, KEYS, token="t", now=NOW, lease_until=LATER)) == len(KEYS)


PAUSE = pauses.Scope(activity="push", site="site-3")


def claim_fan_out(session: Session) -> None:
    session.execute(text("UPDATE posts SET fanout = 'ready' WHERE id = 5"))
    assert posts.claim_fan_out(session, 5, token="t", now=NOW, lease_until=LATER)


def in_story(session: Session, post_id: int) -> int:
    story = {"now": NOW, "post": post_id}
    session.execute(text("INSERT INTO stories (story_group, key, number, begun_at) VALUES ('g', 'k', 1, :now)"), story)
    session.execute(text("UPDATE posts SET story_id = (SELECT max(id) FROM stories) WHERE id = :post"), story)
    return post_id


def open_channel(session: Session) -> None:
    channels.pause(session, "fcm", code="UNAUTHENTICATED", reason="a wrong key", now=NOW, until=NOW)
    assert channels.resume(session, "fcm", now=NOW) is not None


QUERIES: dict[str, Callable[[Session], object]] = {
    "claim": claim,
    "open a channel": open_channel,
    "end a pause": lambda s: pauses.end(s, PAUSE, now=NOW) if pauses.begin(s, PAUSE, now=NOW) else None,
    "times of a wrong clock": lambda s: notifications.bring_back(s, now=NOW, lease=timedelta(minutes=1)),
    "targets": lambda s: outgoing.targets(s, range(1, 30)),
    "digests": lambda s: digests.form(s, now=LATER, limit=100),
    "orphaned digests": lambda s: digests.mend(s, now=LATER),
    "what a digest tells": lambda s: digests.contents(s, range(1, 30)),
    "what waits for a user": lambda s: deferring.waiting(s, 5),
    "digests of a user": lambda s: deferring.wake_digests(s, 5, reasons=["snooze"], now=NOW),
    "pushes of a user": lambda s: deferring.pushed_since(s, {5: NOW, 7: NOW}),
    "due": lambda s: notifications.due(s, now=NOW, lost_before=NOW, limit=100),
    "slice": lambda s: notifications.create_slice(s, 5, HIT, after=100, size=200, now=NOW),
    "slice where bodies count": lambda s: notifications.create_slice(
        s, 6, replace(HIT, match_body=True), after=100, size=200, now=NOW
    ),
    "slice for an edit": lambda s: notifications.create_slice(s, 5, HIT, after=100, size=200, now=NOW, unless=HIT),
    "claim a fan-out": claim_fan_out,
    "note edits": lambda s: edits.note(s, dict.fromkeys(range(1, 100), ("edited", ""))),
    "slice of a story": lambda s: notifications.create_slice(
        s, in_story(s, 7), HIT, after=100, size=200, now=NOW, in_story=True
    ),
    "hand a story on": lambda s: stories.heal(s, now=NOW, since=NOW),
    "other posts of stories": lambda s: stories.elsewhere(s, range(1, 50)),
    "a page and what it misses": lambda s: leaving.page(s, 3, range(2, 900, 50)),
    "posts that are back": lambda s: leaving.count(s, 3, shown_ids=[52], missed=[102], now=NOW),
    "what is to be replaced": lambda s: replacing.planned(s, now=NOW, limit=200),
    "mark what is to be replaced": lambda s: replacing.mark(s, 5, version=2, after=3, limit=200, now=NOW),
    "due to be replaced": lambda s: notifications.due(s, now=NOW, lost_before=NOW, limit=100, replacing=True),
    "edited posts": lambda s: edits.waiting(s, now=NOW, limit=200),
    "matched and asked": lambda s: matching.matching_users(s, HIT, after=100, upto=300, timed=True),
    "window": lambda s: matching.window_end(s, HIT, after=100, size=10),
    "how many would get a post": lambda s: matching.count_matching(s, HIT),
    "store posts": lambda s: posts.store(
        s, site_id=1, run_id=1, found=[posts.FoundPost(external_id="id-50", url="", title="")], now=NOW
    ),
    "stranded fan-outs": lambda s: posts.stranded(s, enqueued_before=NOW, now=NOW),
    "undecided posts": posts.runs_with_undecided_posts,
    "posts to try a phrase on": lambda s: recent.posts(s, site_id=None, since=OLD, limit=100, bodies=True),
    "those of a site": lambda s: recent.posts(s, site_id=7, since=OLD, limit=100, bodies=False),
    "popular phrases": lambda s: recent.popular(s, since=OLD, newest=100, least=1),
    "latest posts": lambda s: posts.latest(s, site_id=7, limit=50),
    "what a site showed": lambda s: showings.shown_before(s, 3, run_id=77, count=50),
    "what it showed earlier": lambda s: showings.earlier(s, 3, run_id=77, without=()),
    "room for new posts": lambda s: posts.room_of(s, site_id=1, run_id=77),
    "usual posts": lambda s: crawl_runs.history(s, s.get_one(CrawlRun, 77)),
    "posts of a run": lambda s: crawl_runs.new_posts(s, 77),
    "held posts": lambda s: [overview.held_posts(s), posts.held(s, 1, limit=30)],
    "release held posts": lambda s: posts.settle(s, 1, now=NOW, release=True),
    "dead runs": lambda s: crawl_runs.dead(s, now=NOW),
    "stranded runs": lambda s: crawl_runs.stranded(s, enqueued_before=NOW, now=NOW),
    "history": lambda s: crawl_runs.recent(s, 3, limit=20),
    "site states": overview.site_states,
    "owed": overview.owed,
    "reasons": lambda s: overview.failure_reasons(s, limit=5),
    "posts of a day": lambda s: overview.posts_since(s, NOW - timedelta(hours=1)),
    "pushes of a day": lambda s: overview.pushes_since(s, NOW - timedelta(hours=1)),
    "badge": lambda s: inbox.unread(s, 5),
    "mark read": lambda s: inbox.mark_read(s, 5, now=NOW),
    "notifications of a user": lambda s: inbox.listing(s, user_id=5, limit=50),
    "notifications that failed": lambda s: inbox.listing(s, status="failed", limit=50),
    "trace of a post": lambda s: traces.trace(s, 9),
    "devices of a user": lambda s: users.devices(s, user_id=5, limit=50),
    "subscriptions of a user": lambda s: subscriptions.listing(s, user_id=5, limit=50),
    "prune runs": lambda s: retention.remove_runs(s, 3, before=OLD, limit=100),
    "prune notifications": lambda s: retention.remove_notifications(s, after=0, before=OLD, limit=100),
    "prune deliveries": lambda s: retention.remove_deliveries(s, after=0, before=OLD, limit=100),
    "prune texts": lambda s: retention.empty_posts(s, before=OLD, limit=100),
    "prune keywords": lambda s: retention.remove_keywords(s, after=0, limit=100),
}


SELDOM = {"open a channel": {"devices"}}
"""A fault that disabled devices is over a few times a year: an index for that would cost each registration."""


HOT: dict[str, Callable[[Session], object]] = {
    **{
        name: QUERIES[name]
        for name in ("claim", "targets", "slice", "window", "store posts", "claim a fan-out", "slice of a story")
    },
    "record": lambda s: outcomes.record(
        s,
        token="t",
        notifications=[outcomes.NotificationRecord(id=n, status="sent") for n in range(1, 100)],
        deliveries=[
            outcomes.DeliveryRecord(notification_id=n, device_id=n, platform="fcm", status="delivered", attempts=1)
            for n in range(1, 100)
        ],
        now=NOW,
    ),
}
"""What is asked for each batch, slice or crawl."""

ALL = {**QUERIES, **HOT}


@pytest.mark.parametrize("name", QUERIES)
def test_no_large_table_is_read_from_end_to_end(large: Database, name: str) -> None:
    found = [node for plan in plans(large, QUERIES[name]) for node in nodes(plan) if is_sequential(node)]
    assert {node["Relation Name"] for node in found} == SELDOM.get(name, set())


@pytest.mark.parametrize("name", HOT)
def test_nor_is_one_or_an_index_of_it_before_there_are_statistics(grown: Database, name: str) -> None:
    found = [node for plan in plans(grown, HOT[name]) for node in nodes(plan)]
    assert [node for node in found if is_sequential(node) or is_whole_index(node)] == []


@pytest.mark.parametrize("name", ["targets", "record"])
def test_nor_in_a_young_installation(young: Database, name: str) -> None:
    found = [node for plan in plans(young, HOT[name]) for node in nodes(plan)]
    assert [node for node in found if is_sequential(node) or is_whole_index(node)] == []


@pytest.mark.parametrize("name", HOT)
def test_nor_does_what_waits_cost_more_where_statistics_say_that_nothing_does(idle: Database, name: str) -> None:
    """Rows that were really read, not what the planner believes: it believes that nothing waits."""
    for plan in plans(idle, HOT[name], options="ANALYZE, FORMAT JSON"):
        read = sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            for node in nodes(plan)
            if node.get("Relation Name") in LARGE
        )
        assert read < MOST_READ, plan


@pytest.mark.parametrize("name", ALL)
def test_nor_does_a_connection_read_more_by_what_it_planned_when_there_was_less(
    outgrown: tuple[Connection, Connection], name: str
) -> None:
    old, new = (rows_read(connection, ALL[name]) for connection in outgrown)
    assert {table: count for table, count in old.items() if count > 2 * new.get(table, 0) + MOST_READ} == {}, new


def rows_read(connection: Connection, query: Callable[[Session], object]) -> dict[str, int]:
    """The rows of large tables that a query reads, however that is, the checks of foreign keys too."""
    counters = text(
        "SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables "
        "WHERE relname = ANY(:large)"
    )
    with Session(connection) as session:
        before = dict(session.execute(counters, {"large": sorted(LARGE)}).all())
        query(session)
        after = session.execute(counters, {"large": sorted(LARGE)}).all()
        session.rollback()
    return {name: count - before.get(name, 0) for name, count in after}


MOST_READ = 5_000
"""Of 30,000 that wait and 60,000 in all, for a batch of at most some hundred."""


def plans(
    database: Database, query: Callable[[Session], object], *, options: str = "FORMAT JSON"
) -> list[dict[str, Any]]:
    """How PostgreSQL goes about each statement of a query."""
    found: list[dict[str, Any]] = []

    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK", "SET")):
            return
        with cursor.connection.cursor() as own:
            # With ANALYZE it is carried out, and must not be done twice.
            own.execute("SAVEPOINT explained")
            own.execute(f"EXPLAIN ({options}) {statement}", parameters[0] if many else parameters)
            (plan,) = own.fetchone()
            own.execute("ROLLBACK TO SAVEPOINT explained")
        found.append(plan[0]["Plan"])

    with Session(database.engine) as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", explain)
        query(session)
        event.remove(connection, "before_cursor_execute", explain)
        session.rollback()
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's steps, each without those below it."""
    yield {key: value for key, value in plan.items() if key != "Plans"}
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def is_sequential(node: dict[str, Any]) -> bool:
    return node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE


def is_whole_index(node: dict[str, Any]) -> bool:
    return node["Node Type"] in {"Index Scan", "Index Only Scan", "Bitmap Index Scan"} and "Index Cond" not in node


FOREIGN_KEYS = """
SELECT con.conrelid::regclass::text, att.attname FROM pg_constraint con
JOIN pg_attribute att ON att.attrelid = con.conrelid AND att.attnum = con.conkey[1]
WHERE con.contype = 'f' AND NOT EXISTS (
    SELECT 1 FROM pg_index ix WHERE ix.indrelid = con.conrelid AND ix.indkey[0] = con.conkey[1]
    AND (ix.indpred IS NULL OR pg_get_expr(ix.indpred, ix.indrelid) = '(' || att.attname || ' IS NOT NULL)'))
"""


def test_what_is_removed_finds_its_dependents_by_an_index(large: Database) -> None:
    with large.reading() as session:
        assert session.execute(text(FOREIGN_KEYS)).all() == []


GROW = """
INSERT INTO users (id, external_id, created_at) SELECT n, 'user-' || n, :now FROM generate_series({first}, {last}) n;
INSERT INTO devices (id, user_id, platform, token, created_at, last_seen_at)
    SELECT n, n, 'fcm', 'token-' || n, :now, :now FROM generate_series({first}, {last}) n;
INSERT INTO notifications (id, post_id, user_id, status, created_at, next_attempt_at)
    SELECT 2 * n - p, 2 - p, n, CASE p WHEN 0 THEN 'sent' ELSE 'pending' END, :now, :now
    FROM generate_series({first}, {last}) n, generate_series(0, 1) p;
INSERT INTO deliveries (notification_id, device_id, platform, status, at)
    SELECT 2 * n, n, 'fcm', 'delivered', :now FROM generate_series({first}, {last}) n;
"""


def test_a_batch_reads_no_table_whole_by_a_plan_from_when_there_was_less(fresh: Database) -> None:
    def grow(first: int, last: int) -> None:
        with fresh.writing() as session:
            for statement in GROW.format(first=first, last=last).split(";\n")[:-1]:
                session.execute(text(statement), {"now": NOW})

    def read_whole(users: range) -> dict[str, int]:
        """Send the first post to these users: the rows that were read from end to end for it, by table."""
        with fresh.writing() as session:
            keys = [(1, user_id) for user_id in users]
            claimed = claims.claim(session, keys, token="t", now=NOW, lease_until=LATER)
            devices = outgoing.targets(session, [n.id for n in claimed])
            pairs = [{"notification_id": d.notification_id, "device_id": d.device_id} for d in devices]
            rows = [DeliveryRecord(**pair, platform="fcm", status="delivered", attempts=1) for pair in pairs]
            ends = [NotificationRecord(id=n.id, status="sent") for n in claimed]
            done = outcomes.record(session, token="t", notifications=ends, deliveries=rows, now=NOW)
            assert len(done) == len(rows) == len(users)
            read = text("SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = ANY(:large)")
            return {name: count for name, count in session.execute(read, {"large": sorted(LARGE)}) if count > 100}

    # The checks of foreign keys have their plans too: of the first they are made where there is hardly anything.
    grow(1, 20)
    assert read_whole(range(1, 2)) == {}
    grow(21, 2_000)
    # psycopg prepares a statement that comes again, and PostgreSQL keeps the plan of one that was prepared.
    for first in range(2, 300, 20):
        read_whole(range(first, first + 20))
    grow(2_001, 8_000)

    assert read_whole(range(401, 601)) == {}
