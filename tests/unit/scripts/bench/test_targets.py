from typing import Any

import pytest

from scripts.bench.endtoend import TARGETS as ENDTOEND
from scripts.bench.suite import NAMES
from scripts.bench.targets import TARGETS, Target

# benchmark, figure -> the bound, as the issue has it.
BOUNDS: dict[tuple[str, str], float] = {
    ("crawl", "ratio"): 0.1,
    ("crawl", "private_mb"): 25,
    ("store", "cost"): 0.1,
    ("neighbour", "ratio"): 1.5,
    ("match", "match_ms"): 2,
    ("match", "build_s"): 3,
    ("match", "rows_1k_ms"): 50,
    ("match", "rows_100k_s"): 5,
    ("match", "import_s"): 120,
    ("fanout", "per_s"): 20_000,
    ("fanout", "ratio"): 10,
    **{
        (f"notify-{database}", figure): bound
        for database in ("sqlite", "postgres")
        for figure, bound in {
            "per_s": 2000,
            "times_plain": 40,
            "noop_times_stock": 4,
            "stock.of_noop": 0.7,
            "lone_ms": 300,
        }.items()
    },
    ("gateway", "fcm_per_s"): 5000,
    ("gateway", "apns_per_s"): 2500,
    **{("growth", f"{name}.exponent"): 1.05 for name in ("crawl", "match", "fanout", "notify")},
    ("endtoend", "total_s"): 100,
    ("endtoend", "second_s"): 5,
    ("endtoend", "largest_mb"): 200,
    ("endtoend", "lost"): 0,
    ("endtoend", "shown_twice"): 0,
}


def test_the_targets_are_these() -> None:
    assert {(t.benchmark, t.figure): t.least if t.most is None else t.most for t in TARGETS} == BOUNDS


def test_the_benchmark_of_the_whole_way_names_the_same_bounds() -> None:
    bounds = {target.figure: target.most for target in TARGETS if target.benchmark == "endtoend"}
    assert bounds == {**ENDTOEND, "lost": 0, "shown_twice": 0}


def test_each_target_is_of_a_benchmark_and_has_words_of_its_own() -> None:
    assert {target.benchmark for target in TARGETS} <= set(NAMES)
    assert len({target.what for target in TARGETS}) == len(TARGETS)
    assert all((target.least is None) != (target.most is None) for target in TARGETS)


@pytest.mark.parametrize(
    ("least", "most", "value", "met"),
    [
        (10, None, 10, True),
        (10, None, 9.99, False),
        (None, 1.05, 1.05, True),
        (None, 1.05, 1.051, False),
        (None, 0, 0, True),
        (None, 0, 1, False),
    ],
)
def test_a_bound_belongs_to_what_is_allowed(least: float | None, most: float | None, value: float, met: bool) -> None:
    assert Target(benchmark="crawl", figure="ratio", what="", least=least, most=most).is_met(value) is met


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        ({"least": 20_000, "unit": "/s"}, "at least 20,000/s"),
        ({"most": 0.1}, "at most 0.1"),
        ({"most": 0}, "0"),
        ({"least": 40, "unit": " times", "note": " (20 at first)"}, "at least 40 times (20 at first)"),
    ],
)
def test_a_bound_in_words(bound: dict[str, Any], words: str) -> None:
    assert Target(benchmark="crawl", figure="ratio", what="", **bound).words == words


@pytest.mark.parametrize(
    ("figure", "users", "runs", "value"),
    [
        ("a", None, [{"a": 1}], 1),
        ("a.b", None, [{"a": {"b": 0.5}}], 0.5),
        ("a.b", None, [{"a": 1}], None),
        ("a", None, [{"b": 1}], None),
        ("a", None, [], None),
        ("a", 100, [{"a": 1, "users": 10}, {"a": 2, "users": 100}], 2),
        ("a", 100, [{"a": 1, "users": 10}], None),
    ],
)
def test_where_a_figure_is(figure: str, users: int | None, runs: list[dict[str, Any]], value: float | None) -> None:
    assert Target(benchmark="crawl", figure=figure, what="", users=users).value(runs) == value
