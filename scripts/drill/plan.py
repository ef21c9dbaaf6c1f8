"""What goes wrong in a drill, and when: from a seed to a plan. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random
from typing import Any

from scripts.testbed.population import SITES

KILLS_A_MINUTE = 5.0
PROCESSES = ("crawler", "dispatcher", "notifier", "notifier-2", "beat")
"""The processes that run; each is started again when it has ended, as a supervisor does."""
NOTIFIERS = ("notifier", "notifier-2")
KILLED = {"notifier": 28, "notifier-2": 28, "dispatcher": 18, "crawl": 12, "crawler": 6, "forkserver": 4, "beat": 4}
"""What a SIGKILL hits, with weights; "crawl" is the child process of a crawl, "forkserver" what it is forked from."""
SCHEDULES = tuple(f"{site} {schedule}" for schedule in ("4s", "7s", "* * * * *", "6s") for site in SITES)

GATEWAY_FAULTS: Mapping[str, Mapping[str, Any]] = {
    "slow": {"latency_ms": 700, "jitter_ms": 1800},
    "503 with Retry-After": {"unavailable_rate": 0.5, "retry_after": 2},
    "503 to all, Retry-After as a date": {"unavailable_rate": 1.0, "retry_after": 3, "retry_after_date": True},
    "429 with Retry-After": {"too_many_rate": 0.3, "retry_after": 2},
    "500": {"refuse": ["INTERNAL", "InternalServerError"], "refuse_rate": 0.4},
    "connections reset": {"reset_every": 40},
    "connections reset after delivery": {"reset_every": 60, "lose_answers": True},
    "no answer": {"silent_rate": 0.02},
    "no answer after delivery": {"silent_rate": 0.01, "lose_answers": True},
    "GOAWAY": {"goaway_after": 30},
    "streams refused": {"rst_stream_every": 20},
    "streams broken after delivery": {
        "rst_stream_every": 25,
        "rst_stream_code": "INTERNAL_ERROR",
        "lose_answers": True,
    },
    "a proxy's 502": {"garbage": "html_502", "garbage_rate": 0.3},
    "a page instead of an answer": {"garbage": "html", "garbage_rate": 0.2},
    "cut answers": {"garbage": "truncated", "garbage_rate": 0.2, "scope": "fcm"},
    "empty answers": {"garbage": "empty", "garbage_rate": 0.2, "scope": "fcm"},
    "answers byte by byte": {"drip_ms": 5},
}
"""How the gateway fails. Answers that mean that a message is wrong are left out: it is rightly given up."""


class Kind(StrEnum):
    """Kinds of fault."""

    KILL = "kill"
    TERMINATE = "terminate"
    REDIS = "redis"
    DATABASE = "database"
    DISK = "disk"
    GATEWAY = "gateway"
    SECOND_BEAT = "second beat"
    SCHEDULE = "schedule"


REDIS_LOSSES = ("flushed", "restarted", "killed", "killed with its data")
DATABASE_LOSSES = {"postgres": ("stopped", "stopped at once"), "sqlite": ("locked",)}


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
    some = max(1, round(minutes / 2))
    gateway = tuple(GATEWAY_FAULTS)
    found = _kills(dice, seconds, max(4, round(KILLS_A_MINUTE * minutes)))
    found += _spread(dice, seconds, Kind.TERMINATE, PROCESSES, count=max(1, round(minutes)), lasting=(0.5, 2.0))
    found += _spread(dice, seconds, Kind.REDIS, REDIS_LOSSES, count=some, lasting=(0.5, 6.0))
    found += _spread(dice, seconds, Kind.DATABASE, DATABASE_LOSSES[database], count=some, lasting=(2.0, 12.0))
    found += _spread(dice, seconds, Kind.GATEWAY, gateway, count=max(3, round(3 * minutes)), lasting=(3.0, 15.0))
    found += _spread(dice, seconds, Kind.SECOND_BEAT, ("beat",), count=max(1, round(minutes / 3)), lasting=(10.0, 30.0))
    found += _spread(dice, seconds, Kind.SCHEDULE, SCHEDULES, count=max(1, round(minutes / 2)))
    if disk:
        found += _spread(dice, seconds, Kind.DISK, ("full",), count=max(1, round(minutes / 3)), lasting=(2.0, 8.0))
    return Plan(
        seed=seed,
        seconds=seconds,
        posts_at_s=tuple(round(seconds * 0.9 * (number + dice.random()) / posts, 2) for number in range(posts)),
        faults=tuple(sorted(found, key=lambda fault: fault.at_s)),
    )


def _kills(dice: Random, seconds: float, count: int) -> list[Fault]:
    victims = dice.choices(list(KILLED), weights=list(KILLED.values()), k=count)
    return [
        Fault(at_s=at, kind=Kind.KILL, what=victim, seconds=round(dice.uniform(0.2, 3.0), 1))
        for at, victim in zip(_times(dice, seconds, count), victims, strict=True)
    ]


def _spread(
    dice: Random,
    seconds: float,
    kind: Kind,
    choices: tuple[str, ...],
    *,
    count: int,
    lasting: tuple[float, float] | None = None,
) -> list[Fault]:
    """So many faults of a kind, one in each part of the time, over before the next begins; each choice in turn."""
    turns = [what for _ in range(-(-count // len(choices))) for what in dice.sample(choices, len(choices))]
    longest = 0.5 * seconds / count
    return [
        Fault(at_s=at, kind=kind, what=what, seconds=round(min(dice.uniform(*lasting), longest), 1) if lasting else 0)
        for at, what in zip(_times(dice, seconds, count), turns, strict=False)
    ]


def _times(dice: Random, seconds: float, count: int) -> list[float]:
    """A moment in the first half of each of `count` parts of the time."""
    return [round(seconds * (part + 0.5 * dice.random()) / count, 2) for part in range(count)]
