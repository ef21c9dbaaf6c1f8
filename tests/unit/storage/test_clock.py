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
        self.answer_takes_s = 0.0
        self.away = False
        self.asked = 0
        self.clock = Clock(self.ask, own=lambda: self.right + self.off, elapsed=lambda: 1000 + self.passed)

    @property
    def right(self) -> datetime:
        return NOON + timedelta(seconds=self.passed)

    @property
    def off(self) -> timedelta:
        return timedelta(seconds=self.own_is_off_s)

    def ask(self) -> datetime:
        self.asked += 1
        self.passed += self.answer_takes_s
        if self.away:
            raise ConnectionError
        return self.right


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("off_s", [0.2, -0.3, 10, -86_400, 86_400])
def test_a_machine_whose_clock_is_wrong_goes_by_the_databases(world: World, off_s: float) -> None:
    world.own_is_off_s = off_s
    assert world.clock.now() == world.right
    # Set while it runs, too
    world.own_is_off_s = -off_s
    world.passed += 5
    assert world.clock.now() == world.right


def test_it_asks_seldom_and_follows_when_the_databases_clock_is_set(world: World) -> None:
    for _ in range(100):
        world.clock.now()
    assert world.asked == 1
    world.passed += REFRESH_S
    assert world.clock.now() == world.right
    assert world.asked == 2


def test_without_an_answer_it_is_its_own_clock_and_it_asks_again_soon(world: World) -> None:
    world.away, world.own_is_off_s = True, 3
    assert world.clock.now() == world.right + world.off
    assert world.clock.now() == world.right + world.off
    assert world.asked == 1
    world.away = False
    world.passed += AGAIN_S
    assert world.clock.now() == world.right


def test_a_database_that_goes_away_leaves_what_is_known_of_its_clock(world: World) -> None:
    world.clock.now()
    world.away, world.own_is_off_s = True, -86_400
    world.passed += 600
    assert world.clock.now() == world.right


def test_an_answer_that_was_long_under_way_replaces_no_better_one(world: World) -> None:
    world.clock.now()
    world.passed += REFRESH_S
    world.answer_takes_s = 40 * SLOW_S
    asked_at = world.right
    assert asked_at <= world.clock.now() <= world.right
    assert world.clock.now() == world.right
