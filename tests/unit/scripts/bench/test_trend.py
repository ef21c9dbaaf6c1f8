import pytest

from scripts.bench.soak_report import percentile, trend

HOUR = 3600.0


@pytest.mark.parametrize(
    ("seconds", "warm", "end"),
    # From the first to the last second that count; of a long run minutes 5 to 10, of a short one the first sixth.
    [(HOUR, (300, 600), (3240, 3600)), (60.0, (0, 10), (54, 60))],
)
def test_the_end_is_compared_with_when_all_was_warm(seconds, warm, end):
    seen = trend([(float(at), float(at)) for at in range(int(seconds) + 1)], seconds)
    assert (seen["warm"], seen["end"], seen["most"]) == (sum(warm) / 2, sum(end) / 2, seconds)


def test_what_grows_steadily_grows_by_as_much_in_an_hour():
    points = [(float(at), 100 + at / HOUR * 12) for at in range(0, 3600, 10)]
    assert trend(points, HOUR)["growth_per_h"] == pytest.approx(12)


def test_the_warming_up_says_nothing_of_growth():
    # Given a process that fills its pools in the first minutes and then stays as it is, but for one moment
    points = [(float(at), min(100.0, 40.0 + at / 4)) for at in range(0, 3600, 10)]
    points[200] = (points[200][0], 130.0)
    seen = trend(points, HOUR)
    assert (seen["warm"], seen["end"], seen["most"]) == (100, 100, 130)
    assert seen["growth_per_h"] is not None
    assert abs(seen["growth_per_h"]) < 1


@pytest.mark.parametrize("points", [[], [(31.0, 5.0)], [(31.0, 5.0), (32.0, 6.0)], [(31.0, 5.0)] * 3])
def test_too_little_has_no_growth(points):
    assert trend(points, 60)["growth_per_h"] is None


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
def test_percentile(values, share, wanted):
    assert percentile(values, share) == wanted
