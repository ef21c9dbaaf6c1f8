import pytest

from scripts.bench.trend import growth_per_hour, percentile, trend, windows

HOUR = 3600.0


def test_a_long_run_is_warm_after_five_minutes() -> None:
    parts = windows(HOUR)
    assert (parts.warm, parts.growing_from, parts.end_from) == ((300, 600), 300, 3240)


def test_a_short_run_is_warm_after_its_first_sixth() -> None:
    parts = windows(60)
    assert (parts.warm, parts.growing_from, parts.end_from) == ((0, 10), 10, 54)


def test_what_grows_steadily_grows_by_as_much_in_an_hour() -> None:
    points = [(float(at), 100 + at / HOUR * 12) for at in range(0, 3600, 10)]
    assert growth_per_hour(points) == pytest.approx(12)


def test_the_warming_up_says_nothing_of_growth() -> None:
    # Given a process that fills its pools in the first minutes and then stays as it is, but for one moment
    points = [(float(at), min(100.0, 40.0 + at / 4)) for at in range(0, 3600, 10)]
    points[200] = (points[200][0], 130.0)
    seen = trend(points, HOUR)
    assert (seen.warm, seen.end, seen.most) == (100, 100, 130)
    assert seen.growth_per_hour is not None
    assert abs(seen.growth_per_hour) < 1


def test_the_end_is_the_median_of_the_last_tenth() -> None:
    points = [(float(at), 100.0 if at < 3300 else 150.0) for at in range(0, 3600, 10)]
    assert trend(points, HOUR).end == 150


@pytest.mark.parametrize("points", [[], [(1.0, 5.0)], [(1.0, 5.0), (2.0, 6.0)], [(1.0, 5.0)] * 3])
def test_too_little_has_no_growth(points: list[tuple[float, float]]) -> None:
    assert growth_per_hour(points) is None


def test_nothing_was_seen() -> None:
    seen = trend([], 60)
    assert (seen.warm, seen.end, seen.most, seen.growth_per_hour) == (None, None, None, None)


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [
        ([], 0.5, None),
        ([7.0], 0.95, 7.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([float(value) for value in range(1, 101)], 0.95, 95.0),
        ([1.0, 2.0], 0.0, 1.0),
        ([1.0, 2.0], 1.0, 2.0),
    ],
)
def test_percentile(values: list[float], share: float, wanted: float | None) -> None:
    assert percentile(values, share) == wanted
