from typing import Any

import pytest

from scripts.bench.suite import NAMES
from scripts.bench.targets import TARGETS, Target, flat


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
    assert Target("crawl", "ratio", "", least=least, most=most).is_met(value) is met


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
    assert Target("crawl", "ratio", "", **bound).words == words


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
    assert Target("crawl", figure, "", users=users).value(runs) == value


def test_figures_in_groups_get_names_with_dots() -> None:
    figures = {"a": 1, "b": {"c": 2, "d": {"e": [1, 2]}}, "f": [{"x": 1, "y": 2}, {"x": 3}], "g": {}}
    assert flat(figures) == {"a": 1, "b.c": 2, "b.d.e": [1, 2], "f.x": [1, 3], "f.y": [2, None], "g": {}}
