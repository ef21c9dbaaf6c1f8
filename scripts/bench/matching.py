"""How fast a matcher is built, and how fast it finds the phrases of a post; in memory, without a database."""

from statistics import median
from time import perf_counter

from pipeline.fanout.matcher import Matcher
from scripts.bench import corpus

POSTS = 300


def measure_matcher(distinct: int = 100_000, *, seed: int = 1) -> dict[str, float]:
    """Figures of a matcher over so many distinct phrases.

    build_s: seconds to build it. match_ms: milliseconds to find the phrases of a post (title and 500 characters of
    body), the median over 300 posts, and match_p99_ms the slowest but a hundredth. extend_ms: to add ten phrases.
    hits: phrases per post, the mean.
    """
    wanted = corpus.phrases(distinct + 10, seed=seed)
    rows = [(number, phrase.text, phrase.kind) for number, phrase in enumerate(wanted, 1)]
    began = perf_counter()
    matcher = Matcher(rows[:distinct])
    build_s = perf_counter() - began
    began = perf_counter()
    matcher.extended(rows[distinct:])
    extend_s = perf_counter() - began
    times, hits = [], 0
    for post in corpus.posts(POSTS, wanted, seed=seed):
        began = perf_counter()
        found = matcher.find(post.title, post.body)
        times.append(perf_counter() - began)
        hits += len(found.all_ids)
    times.sort()
    return {
        "distinct": distinct,
        "build_s": build_s,
        "match_ms": median(times) * 1000,
        "match_p99_ms": times[int(len(times) * 0.99)] * 1000,
        "extend_ms": extend_s * 1000,
        "hits": hits / POSTS,
    }
