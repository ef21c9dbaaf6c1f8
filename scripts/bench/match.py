"""What it costs to find who gets a post, among very many subscriptions, on a PostgreSQL of the benchmark's own."""

import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from sqlalchemy import text

from pipeline.delivery.asking import Timing
from pipeline.fanout.matcher import Matcher
from pipeline.fanout.phrases import Phrase
from pipeline.fanout.slices import find_in
from pipeline.people import records
from pipeline.people.importing import subscription_importer
from scripts.bench import corpus
from scripts.bench.errors import BenchmarkError
from scripts.bench.fan_outs import TimedFanOuts, postgres
from scripts.files.importing import Outcome, import_records
from scripts.testbed.database import vacuum
from storage import subscriptions
from storage.matching import matching_users
from storage.session import Database

EACH = 10
"""Subscriptions of a user."""
SMALL, LARGE = 1_000, 100_000
SMALL_PHRASE, LARGE_PHRASE = "thousandfold", "hundredthousandfold"
RUNS, LONG_RUNS = 15, 3
"""Of how many runs the figures are the medians; the import is one run."""


def measure_match(count: int = 1_000_000, distinct: int = 100_000) -> dict[str, float]:
    """Import so many subscriptions to so many distinct phrases, and match posts against them.

    import_s: the import of all of them from a file, users and phrases included. load_s, build_s: reading the phrases,
    building the automaton. match_ms: the phrases of a post (title and 500 characters of body), the median. find_ms:
    the phrases and the users of a post that small_users want. like_ms: the same by a LIKE per subscription. ratio: how
    many times longer that takes.
    rows_1k_ms, rows_100k_s: from post id to committed notification rows for small_users and large_users. memory_mb:
    by how much the latter let the process grow. find_ms and rows_1k_ms are medians of `runs`, build_s, like_ms and
    rows_100k_s of long_runs; the import is one run.
    """
    with postgres() as database:
        return _measure(database, count, distinct)


def _measure(database: Database, count: int, distinct: int) -> dict[str, float]:
    users = max(count // EACH, 1)
    wanted = corpus.phrases(distinct, seed=1)
    import_s = _import(database, _lines(users, wanted))
    vacuum(database)
    with database.writing() as session:
        session.execute(
            text("CREATE TABLE plain AS SELECT user_id, text FROM subscriptions JOIN keywords k ON k.id = keyword_id")
        )
    vacuum(database, "plain")
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
    fan_outs = TimedFanOuts(database, publish=lambda _keys: None)
    times = [fan_outs.seconds(title, found[0].body) for title in small]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    large_s = median(fan_outs.seconds(f"{LARGE_PHRASE} {number}", found[0].body) for number in range(LONG_RUNS))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "runs": RUNS,
        "long_runs": LONG_RUNS,
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
    importer = subscription_importer(limit=100, add_users=True, timing=Timing())
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
