"""What it costs to find who gets a post, among very many subscriptions, on a PostgreSQL of the benchmark's own."""

import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from sqlalchemy import select, text

from pipeline.fanout import FanOuts, FanOutSettings, SliceEnd, find_in
from pipeline.matching import Matcher
from pipeline.phrases import Phrase
from scripts import records
from scripts.bench import corpus
from scripts.embedded_postgres import PostgresServer, find_postgres
from scripts.importing import Outcome, import_records
from scripts.subscriptions import subscription_importer
from storage import posts, sites, subscriptions
from storage.matching import matching_users
from storage.migrate import upgrade
from storage.models import Post
from storage.posts import FoundPost
from storage.session import Database

EACH = 10
"""Subscriptions of a user."""
SLICE = 2_000
"""What FANOUT_SLICE is by default."""
SMALL, LARGE = 1_000, 100_000
SMALL_PHRASE, LARGE_PHRASE = "thousandfold", "hundredthousandfold"
RUNS, LONG_RUNS = 15, 3
"""Of how many runs the figures are the medians; the import is one run."""
# As PostgreSQL is by default, so that a commit is one; only the memory is what a small server gives it.
OPTIONS = ("shared_buffers=512MB", "max_wal_size=4GB", "max_connections=20")


class BenchmarkError(RuntimeError):
    """A benchmark that cannot run."""


def measure_match(count: int = 1_000_000, distinct: int = 100_000) -> dict[str, float]:
    """Import so many subscriptions to so many distinct phrases, and match posts against them.

    import_s: the import of all of them from a file, users and phrases included. load_s, build_s: reading the phrases,
    building the automaton. match_ms: the phrases of a post (title and 500 characters of body), the median. find_ms:
    the phrases and the users of a post that small_users want. like_ms: the same by a LIKE per subscription. ratio: how
    many times longer that takes.
    rows_1k_ms, rows_100k_s: from post id to committed notification rows for small_users and large_users. memory_mb:
    by how much the latter let the process grow. All but the import are medians of several runs.
    """
    programs = find_postgres()
    if programs is None:
        raise BenchmarkError("there is no PostgreSQL: install one, or the test requirements, which bring one")
    with PostgresServer(programs, OPTIONS) as server:
        url = server.url.render_as_string(hide_password=False)
        upgrade(url)
        database = Database(url)
        try:
            return _measure(database, count, distinct)
        finally:
            database.close()


def _measure(database: Database, count: int, distinct: int) -> dict[str, float]:
    users = max(count // EACH, 1)
    wanted = corpus.phrases(distinct, seed=1)
    import_s = _import(database, _lines(users, wanted))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # As autovacuum does in a database that is not a minute old.
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(
            text("CREATE TABLE plain AS SELECT user_id, text FROM subscriptions JOIN keywords k ON k.id = keyword_id")
        )
        connection.execute(text("VACUUM ANALYZE plain"))
    with database.reading() as session:
        began = time.perf_counter()
        rows = subscriptions.keywords(session)
        load_s = time.perf_counter() - began
    build_s = _median_ms([lambda: Matcher(rows)] * LONG_RUNS) / 1000
    matcher = Matcher(rows)
    found = list(corpus.posts(100, wanted, seed=2))
    match_ms = _median_ms([lambda p=post: matcher.find(p.title, p.body) for post in found])  # type: ignore[misc]
    few = [corpus.BenchPost(title=f"{SMALL_PHRASE} {number}", body="") for number in range(RUNS)]
    find_ms = _median_ms([lambda p=post: _who(database, matcher, p) for post in few])  # type: ignore[misc]
    like_ms = _median_ms([lambda p=post: _who_plainly(database, p) for post in few[:LONG_RUNS]])  # type: ignore[misc]
    small = [f"{SMALL_PHRASE} {number}" for number in range(RUNS + 1)]
    fan_outs = _FanOuts(database)
    times = [fan_outs.seconds(title, found[0].body) for title in small]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    large_s = median(fan_outs.seconds(f"{LARGE_PHRASE} {number}", found[0].body) for number in range(LONG_RUNS))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "subscriptions": count,
        "distinct": len(rows),
        "import_s": round(import_s, 1),
        "load_s": round(load_s, 3),
        "build_s": round(build_s, 3),
        "match_ms": round(match_ms, 3),
        "find_ms": round(find_ms, 2),
        "like_ms": round(like_ms, 1),
        "ratio": round(like_ms / find_ms, 1),
        "small_users": min(SMALL, users),
        # The first one reads the phrases and builds the automaton.
        "rows_1k_ms": round(median(times[1:]) * 1000, 1),
        "large_users": min(LARGE, users),
        "rows_100k_s": round(large_s, 2),
        "memory_mb": round(grown / 1024, 1),
    }


def _lines(users: int, wanted: list[Phrase]) -> Iterator[str]:
    """The lines of the file: what each user wants, and the two phrases whose number of readers is known."""
    unwanted = set(range(len(wanted)))
    for user, number in corpus.subscriptions(users, EACH, len(wanted), seed=1):
        unwanted.discard(number)
        yield json.dumps({"user": f"user-{user}", "phrase": wanted[number].text}, ensure_ascii=False)
    # Each phrase has somebody who wants it, so that there are as many as were asked for.
    for number in sorted(unwanted):
        yield json.dumps({"user": f"user-{number % users}", "phrase": wanted[number].text}, ensure_ascii=False)
    for phrase, readers in ((SMALL_PHRASE, SMALL), (LARGE_PHRASE, LARGE)):
        for user in range(min(readers, users)):
            yield json.dumps({"user": f"user-{user}", "phrase": phrase})


def _import(database: Database, lines: Iterator[str]) -> float:
    importer = subscription_importer(limit=100, add_users=True)
    with tempfile.TemporaryDirectory(prefix="crawlpush-bench-") as folder:
        file = Path(folder) / "subscriptions.jsonl"
        with file.open("w", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in lines)
        outcome = Outcome(rejected_file=file.with_suffix(".rejected"))
        with file.open("rb") as content:
            read = records.read(content, "jsonl", importer.columns, done=lambda _: None)
            import_records(database, importer, read, outcome)
    if outcome.rejected:
        raise BenchmarkError(f"{outcome.rejected} made-up subscriptions were refused")
    return time.monotonic() - outcome.began


def _median_ms(calls: list[Callable[[], object]]) -> float:
    times = []
    for call in calls:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return median(times) * 1000


def _who(database: Database, matcher: Matcher, post: corpus.BenchPost) -> int:
    with database.reading() as session:
        hit = find_in(matcher, post.title, post.body, site_id=0, match_body=True)
        return len(matching_users(session, hit, after=0))


def _who_plainly(database: Database, post: corpus.BenchPost) -> int:
    query = "SELECT DISTINCT user_id FROM plain WHERE :text LIKE '%' || text || '%'"
    with database.reading() as session:
        return len(session.execute(text(query), {"text": f"{post.title} {post.body}".lower()}).all())


class _FanOuts:
    """Fans posts out as a dispatcher does, but for the messages, which go nowhere."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._fan_outs = FanOuts(
            database,
            FanOutSettings(slice_users=SLICE, queue_max=SLICE, lease_s=600),
            queue_length=lambda: 0,
            publish=lambda _keys: None,
        )
        with database.writing() as session:
            now = datetime.now(UTC)
            self._site_id = sites.add(session, name="bench", spider="listing", now=now).id
            run_id = sites.queue_run(session, self._site_id, trigger="manual", now=now)
        assert run_id is not None
        self._run_id = run_id

    def seconds(self, title: str, body: str) -> float:
        """From post id to committed rows for everybody."""
        now = datetime.now(UTC)
        post = FoundPost(external_id=title, url="https://board.test/1", title=title, body=body)
        with self._database.writing() as session:
            posts.store(session, site_id=self._site_id, run_id=self._run_id, found=[post], now=now)
            row = session.scalars(select(Post).where(Post.external_id == title)).one()
            row.fanout = "ready"
            post_id = row.id
        began = time.perf_counter()
        while self._fan_outs.next_slice(post_id) is not SliceEnd.DONE:
            pass
        return time.perf_counter() - began
