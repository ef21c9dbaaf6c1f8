"""The database's clock as a process keeps it: pure, with clocks that a test moves."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.clock import AGAIN_S, REFRESH_S, SLOW_S, Clock

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


class World:
    """A database's clock, and a machine's that is wrong."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.own_is_off_s = 0.0
        self.answer_takes_s = self.way_back_takes_s = 0.0
        # How many answers are slow; the others take no time.
        self.slow_answers = 10**9
        self.away = False
        self.set_s = 0.0
        self.asked = 0
        self.clock = Clock(self.ask, own=lambda: self.right + self.off, elapsed=lambda: 1000 + self.passed)

    @property
    def right(self) -> datetime:
        return NOON + timedelta(seconds=self.passed + self.set_s)

    @property
    def off(self) -> timedelta:
        return timedelta(seconds=self.own_is_off_s)

    def ask(self) -> datetime:
        self.asked += 1
        is_slow = self.asked <= self.slow_answers
        self.passed += self.answer_takes_s * is_slow
        if self.away:
            raise ConnectionError
        answer = self.right
        self.passed += self.way_back_takes_s * is_slow
        return answer


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("off_s", [0.2, -0.3, 10, -86_400, 86_400])
def test_a_machine_whose_clock_is_wrong_goes_by_the_databases(world, off_s):
    world.own_is_off_s = off_s
    assert world.clock.now() == world.right
    # Set while it runs, too
    world.own_is_off_s = -off_s
    world.passed += 5
    assert world.clock.now() == world.right


def test_it_asks_seldom_and_follows_when_the_databases_clock_is_set(world):
    for _ in range(100):
        world.clock.now()
    assert world.asked == 1
    world.passed += REFRESH_S
    assert world.clock.now() == world.right
    assert world.asked == 2


def test_without_an_answer_it_is_its_own_clock_and_it_asks_again_soon(world):
    world.away, world.own_is_off_s = True, 3
    assert world.clock.now() == world.right + world.off
    assert world.clock.now() == world.right + world.off
    assert world.asked == 1
    world.away = False
    world.passed += AGAIN_S
    assert world.clock.now() == world.right


def test_a_database_that_goes_away_leaves_what_is_known_of_its_clock(world):
    world.clock.now()
    world.away, world.own_is_off_s = True, -86_400
    world.passed += 600
    assert world.clock.now() == world.right


def test_an_answer_that_was_long_under_way_replaces_no_better_one(world):
    world.clock.now()
    world.passed += REFRESH_S
    world.answer_takes_s = 40 * SLOW_S
    asked_at = world.right
    assert asked_at <= world.clock.now() <= world.right
    assert world.clock.now() == world.right


@pytest.mark.parametrize("ways", [(8, 0), (0, 8), (4, 4)])
@pytest.mark.parametrize(
    ("off_s", "slow_answers", "asked", "wrong_s"),
    [(0, 10**9, 3, 0), (86_400, 10**9, 3, 8), (86_400, 1, 2, 0), (-3, 2, 3, 0), (-86_400, 10**9, 3, 8)],
)
def test_a_slow_first_answer_is_wrong_by_its_round_trip_at_most_and_is_asked_for_again(
    world, ways, off_s, slow_answers, asked, wrong_s
):
    world.answer_takes_s, world.way_back_takes_s = ways
    world.own_is_off_s, world.slow_answers = off_s, slow_answers
    assert abs(world.clock.now() - world.right) <= timedelta(seconds=wrong_s)
    assert world.asked == asked
    world.slow_answers = 0
    world.passed += REFRESH_S if slow_answers < 3 else AGAIN_S
    assert world.clock.now() == world.right


def test_a_slow_answer_says_that_the_databases_clock_was_set(world):
    world.clock.now()
    world.passed += REFRESH_S
    world.answer_takes_s, world.set_s = 2, 3600.0
    assert timedelta(0) <= world.clock.now() - world.right <= timedelta(seconds=2)
