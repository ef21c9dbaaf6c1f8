import pytest

from scripts.bench.fan_outs import SLICE
from scripts.bench.growth import SUBJECTS, FitError, fitted
from scripts.bench.rounds import OFTEN, by_turns

FROM_ONE = (1, 5, 16, 50)
LARGE = (500, 1_500, 5_000, 15_000)


@pytest.mark.parametrize("sizes", [FROM_ONE, LARGE, (2, 60)])
@pytest.mark.parametrize("exponent", [0.8, 1.0, 1.05, 1.5, 2.0])
@pytest.mark.parametrize(("start_s", "unit_s"), [(0.0, 1.0), (1.0, 1.0), (5.0, 0.1), (0.001, 3.0)])
def test_a_power_law_is_found_again_with_its_start_up(sizes, exponent, start_s, unit_s):
    costs = [start_s + unit_s * size**exponent for size in sizes]
    found = fitted(sizes, costs, one_s=start_s + unit_s)
    assert found.exponent == pytest.approx(exponent, abs=1e-6)
    assert found.start_s == pytest.approx(start_s, abs=1e-6 * costs[-1])


def test_a_start_up_that_was_left_in_would_hide_growth():
    costs = [10 + 0.1 * size**1.2 for size in FROM_ONE]
    assert fitted(FROM_ONE, costs, one_s=10.1).exponent == pytest.approx(1.2)
    # The same without: the cost of one is taken for nothing but its unit.
    assert fitted(FROM_ONE, costs, one_s=0.0).exponent < 0.4


def test_some_noise_moves_the_exponent_a_little():
    noise = (1.02, 0.98, 1.03, 0.99)
    costs = [(0.1 + 0.001 * size) * factor for size, factor in zip(LARGE, noise, strict=True)]
    assert fitted(LARGE, costs, one_s=0.102).exponent == pytest.approx(1.0, abs=0.03)


def test_the_unit_of_a_size_says_nothing():
    costs = [2 + 0.5 * size for size in LARGE]
    assert fitted(LARGE, [1000 * cost for cost in costs], one_s=2500).exponent == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("sizes", "seconds", "one_s"),
    [
        ((), (), 1.0),
        ((5,), (1.0,), 1.0),
        ((5, 5), (1.0, 1.0), 1.0),
        ((0, 5), (1.0, 2.0), 1.0),
        ((1, 5), (1.0,), 1.0),
        # The smallest costs less than a start: nothing is left to take a logarithm of.
        ((10, 300), (0.9, 1.2), 1.0),
    ],
)
def test_costs_that_give_no_exponent_are_refused(sizes, seconds, one_s):
    with pytest.raises(FitError):
        fitted(sizes, seconds, one_s=one_s)


def test_sizes_are_measured_by_turns_and_the_smallest_more_often():
    measured: list[int] = []

    def measure(size: int) -> float:
        measured.append(size)
        return float(len(measured))

    found = by_turns((2, 7, 9), 2, measure)
    turn = [*[2] * OFTEN, 7, 9]
    assert measured == turn * 2
    assert found == {2: 6.5, 7: 9.5, 9: 10.5}


@pytest.mark.parametrize("name", SUBJECTS)
def test_each_cost_is_measured_at_four_sizes_far_apart(name):
    subject = SUBJECTS[name]
    for sizes in (subject.sizes, subject.quick):
        assert len(sizes) == 4
        assert sizes[-1] >= 30 * sizes[0]
        assert all(size % subject.least == 0 for size in sizes)
    assert subject.runs >= 3


def test_readers_are_counted_in_whole_slices():
    """Part of a slice costs nearly a slice: taken for the start-up, it would make a linear cost seem to grow faster."""
    assert SUBJECTS["match"].least == SLICE
