from collections import Counter
from itertools import pairwise

import pytest

from scripts.drill.kinds import GATEWAY_FAULTS, KILLED, PROCESSES, RULES, Kind
from scripts.drill.plan import Plan, make_plan
from scripts.gateway.faults import Faults
from scripts.testbed.population import SITES, site_of

LASTING = [kind for kind, rule in RULES.items() if rule.lasting]


def plan(seed: int = 1, minutes: float = 10, database: str = "postgres", *, disk: bool = False) -> Plan:
    return make_plan(seed=seed, posts=40, minutes=minutes, database=database, disk=disk)


def test_the_seed_decides_everything() -> None:
    assert plan(5) == plan(5)
    assert plan(5).faults != plan(6).faults
    assert plan(5).posts_at_s != plan(6).posts_at_s


@pytest.mark.parametrize("seed", range(20))
def test_ten_minutes_are_fifty_kills_and_five_losses_of_each_server(seed: int) -> None:
    made = plan(seed)
    assert made.count(Kind.KILL) >= 50
    assert made.count(Kind.REDIS) >= 5
    assert made.count(Kind.DATABASE) >= 5


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_the_shortest_drill_still_has_some_of_everything(database: str) -> None:
    made = plan(minutes=0.1, database=database, disk=True)
    assert {fault.kind for fault in made.faults} == {kind for kind, rule in RULES.items() if rule.ways(database)}
    assert made.count(Kind.KILL) >= 4


def test_what_lasts_is_over_before_the_next_of_its_kind_begins() -> None:
    for kind in LASTING:
        of_kind = [fault for fault in plan(3, disk=True).faults if fault.kind is kind]
        assert all(earlier.at_s + earlier.seconds <= later.at_s for earlier, later in pairwise(of_kind)), kind


def test_everything_happens_within_the_time_and_in_order() -> None:
    made = plan(4)
    assert list(made.faults) == sorted(made.faults, key=lambda fault: fault.at_s)
    assert all(0 <= fault.at_s <= fault.at_s + fault.seconds <= made.seconds for fault in made.faults)
    assert list(made.posts_at_s) == sorted(made.posts_at_s)
    assert made.posts_at_s[-1] <= made.seconds


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_long_drill_knows_every_way_of_a_kind(database: str) -> None:
    made = plan(minutes=60, database=database, disk=True)
    for kind, rule in RULES.items():
        # Of the board that is edited the posts keep their ids.
        ways = set(rule.ways(database)) - ({SITES[1]} if kind is Kind.NEW_IDS else set())
        assert {fault.what for fault in made.faults if fault.kind is kind} == ways, kind


def test_the_posts_of_one_board_are_edited_after_they_appeared() -> None:
    made = plan(seed=2)
    assert {site_of(number) for _, number in made.edits} == {SITES[0]}
    assert all(made.posts_at_s[number - 1] <= at <= made.seconds for at, number in made.edits)
    assert max(Counter(number for _, number in made.edits).values()) == 3


def test_every_process_is_killed_ended_and_frozen() -> None:
    for kind in (Kind.KILL, Kind.TERMINATE, Kind.FREEZE):
        assert set(PROCESSES) <= set(RULES[kind].postgres), kind
    assert set(PROCESSES) < set(KILLED)


def test_a_disk_that_cannot_be_filled_is_left_out() -> None:
    assert plan(disk=False).count(Kind.DISK) == 0


def test_the_gateway_knows_every_failure() -> None:
    for fields in GATEWAY_FAULTS.values():
        assert Faults.from_json(fields) != Faults()
