"""What goes wrong in a drill, and when: from a seed to a plan. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from scripts.drill.kinds import KILLED, RULES, Kind
from scripts.testbed.population import SITES, site_of

EDITED_WITHIN = 0.2
"""In which part of the drill's time after it appeared a post is edited."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong."""

    # Seconds since the drill's first post may appear.
    at_s: float
    kind: Kind
    # Which process, which manner, which failure of the gateway, which schedule.
    what: str
    # How long it lasts, or until a process is started again.
    seconds: float = 0.0

    def __str__(self) -> str:
        lasting = f" for {self.seconds:g} s" if self.seconds else ""
        return f"{self.kind}: {self.what}{lasting}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All of a drill that its seed decides, besides the people and the posts."""

    seed: int
    seconds: float
    # When each post appears, at the earliest, in order.
    posts_at_s: tuple[float, ...]
    faults: tuple[Fault, ...]
    # Which post is edited, and when at the earliest, in order.
    edits: tuple[tuple[float, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return asdict(self)

    def count(self, kind: Kind) -> int:
        """How many faults of a kind it has."""
        return sum(fault.kind is kind for fault in self.faults)


def make_plan(*, seed: int, posts: int, minutes: float, database: str, disk: bool) -> Plan:
    """The plan of a seed. `disk`: whether a full disk can be simulated here."""
    dice = Random(f"{seed}:plan")  # noqa: S311 - no secret
    seconds = minutes * 60
    # A post that is edited and has another id at once is a new one.
    edited = SITES[seed % len(SITES)]
    found: list[Fault] = []
    for kind, rule in RULES.items():
        ways = tuple(way for way in rule.ways(database) if way != edited)
        if ways and (disk or kind is not Kind.DISK):
            count = max(rule.least, round(rule.a_minute * minutes))
            found += _spread(dice, seconds, kind, _drawn(dice, kind, ways, count), lasting=rule.lasting)
    posts_at_s = tuple(round(seconds * 0.9 * (number + dice.random()) / posts, 2) for number in range(posts))
    return Plan(
        seed=seed,
        seconds=seconds,
        posts_at_s=posts_at_s,
        faults=tuple(sorted(found, key=lambda fault: fault.at_s)),
        edits=_edits(Random(f"{seed}:edits"), seconds, posts_at_s, edited),  # noqa: S311 - no secret
    )


def _edits(dice: Random, seconds: float, posts_at_s: Sequence[float], site: str) -> tuple[tuple[float, int], ...]:
    """Up to three edits of each post of a site, at once or later; a day allows four."""
    found = [
        (round(min(at + dice.uniform(0, EDITED_WITHIN) * seconds, 0.97 * seconds), 2), number)
        for number, at in enumerate(posts_at_s, start=1)
        if site_of(number) == site
        for _ in range(dice.choice((0, 1, 2, 3)))
    ]
    return tuple(sorted(found))


def _drawn(dice: Random, kind: Kind, ways: tuple[str, ...], count: int) -> list[str]:
    """So many ways of a kind: kills by their weights, of others each in turn."""
    if kind is Kind.KILL:
        return dice.choices(list(KILLED), weights=list(KILLED.values()), k=count)
    turns = [what for _ in range(-(-count // len(ways))) for what in dice.sample(ways, len(ways))]
    return turns[:count]


def _spread(
    dice: Random, seconds: float, kind: Kind, drawn: list[str], *, lasting: tuple[float, float] | None
) -> list[Fault]:
    """These faults of a kind, one in each part of the time, each over before the next begins."""
    longest = 0.5 * seconds / len(drawn)
    return [
        Fault(at_s=at, kind=kind, what=what, seconds=round(min(dice.uniform(*lasting), longest), 1) if lasting else 0)
        for at, what in zip(_times(dice, seconds, len(drawn)), drawn, strict=True)
    ]


def _times(dice: Random, seconds: float, count: int) -> list[float]:
    """A moment in the first half of each of `count` parts of the time."""
    return [round(seconds * (part + 0.5 * dice.random()) / count, 2) for part in range(count)]
