"""The kinds of fault that a drill knows: what each is, its ways, how often it happens, and how long it lasts. Pure.

A new kind is a row here, and how it begins and ends in scripts/drill/faults.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from scripts.drill.clocks import AHEAD_S
from scripts.testbed.population import SITES

NOTIFIERS = ("notifier", "notifier-2")
PROCESSES = ("crawler", "dispatcher", *NOTIFIERS, "beat", "web")
"""The processes that run; each is started again when it has ended, as a supervisor does."""
CRAWL, FORKSERVER = "crawl", "forkserver"
"""The child process of a crawl, and what it is forked from."""
KILLED = {
    "notifier": 28,
    "notifier-2": 28,
    "dispatcher": 18,
    CRAWL: 12,
    "web": 10,
    "crawler": 6,
    FORKSERVER: 4,
    "beat": 4,
}
"""What a SIGKILL hits, with weights."""
SCHEDULES = tuple(f"{site} {schedule}" for schedule in ("4s", "7s", "* * * * *", "6s") for site in SITES)

ODD_APNS, ODD_FCM = "one odd iPhone", "one odd Android phone"
"""Stand in GATEWAY_FAULTS for the tokens of two phones of the drill, which are owed nothing."""
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
    "APNs hangs": {"silent_rate": 1.0, "scope": "apns"},
    "FCM hangs": {"silent_rate": 1.0, "scope": "fcm"},
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
    "control characters": {"garbage": "control_characters", "garbage_rate": 0.3},
    "answers byte by byte": {"drip_ms": 5},
    "answers that drip for a minute": {"drip_ms": 400},
    "another topic's iPhone": {"answers": [f"{ODD_APNS}=DeviceTokenNotForTopic"]},
    "404 without an errorCode": {"answers": [f"{ODD_FCM}=NOT_FOUND"]},
}
"""How the gateway fails. Answers that mean that a message is wrong are left out: it is rightly given up."""


class Kind(StrEnum):
    """Kinds of fault."""

    KILL = "kill"
    TERMINATE = "terminate"
    FREEZE = "freeze"
    REDIS = "redis"
    REDIS_ERRORS = "redis errors"
    DATABASE = "database"
    READ_ONLY = "read-only"
    TABLE_LOCK = "table lock"
    HALF_OPEN = "half-open"
    DISK = "disk"
    CLOCK = "clock"
    GATEWAY = "gateway"
    DEVICE = "device"
    SECOND_BEAT = "second beat"
    SCHEDULE = "schedule"
    NEW_IDS = "new ids"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a kind is, and how the plan deals it out."""

    meaning: str
    # Its ways on PostgreSQL and on SQLite; none: it does not happen there.
    postgres: tuple[str, ...]
    sqlite: tuple[str, ...]
    # How often it happens; at least once in a drill that is shorter.
    a_minute: float
    # Seconds at least and at most. None: it is over at once, or ends by itself.
    lasting: tuple[float, float] | None = None
    # How often at least, in the shortest drill.
    least: int = 1

    def ways(self, database: str) -> tuple[str, ...]:
        """What may happen on "postgres" or "sqlite"."""
        return self.postgres if database == "postgres" else self.sqlite


def _rule(
    meaning: str,
    ways: tuple[str, ...],
    a_minute: float,
    lasting: tuple[float, float] | None = None,
    *,
    sqlite: tuple[str, ...] | None = None,
    least: int = 1,
) -> Rule:
    on_sqlite = ways if sqlite is None else sqlite
    return Rule(meaning=meaning, postgres=ways, sqlite=on_sqlite, a_minute=a_minute, lasting=lasting, least=least)


RULES: Mapping[Kind, Rule] = {
    Kind.KILL: _rule("SIGKILL; what was killed is started again", tuple(KILLED), 5, (0.2, 3), least=4),
    Kind.TERMINATE: _rule("SIGTERM, twice; started again", PROCESSES, 1, (0.5, 2)),
    Kind.FREEZE: _rule(
        "SIGSTOP, and SIGCONT later", (*NOTIFIERS, "crawler", CRAWL, "dispatcher", "web", "beat"), 1, (2, 90)
    ),
    Kind.REDIS: _rule(
        "Redis goes away or forgets", ("flushed", "restarted", "killed", "killed with its data"), 0.5, (0.5, 6)
    ),
    Kind.REDIS_ERRORS: _rule(
        "Redis answers errors",
        ("OOM", "READONLY", "NOREPLICAS", "NOPERM", "MISCONF", "LOADING", "UNBLOCKED"),
        0.5,
        (2, 30),
    ),
    Kind.DATABASE: _rule(
        "the database goes away, or nobody else can write",
        ("stopped", "stopped at once"),
        0.5,
        (2, 12),
        sqlite=("locked",),
    ),
    Kind.READ_ONLY: _rule("sessions end, and new ones can only read", ("for all sessions",), 0.34, (2, 15), sqlite=()),
    Kind.TABLE_LOCK: _rule("somebody locks a table", ("devices", "notifications", "posts"), 0.34, (2, 20), sqlite=()),
    Kind.HALF_OPEN: _rule(
        "connections swallow everything, new ones work", ("redis", "database"), 0.5, sqlite=("redis",)
    ),
    Kind.DISK: _rule("no file grows any more (Linux)", (), 0.34, (2, 8), sqlite=("full",)),
    Kind.CLOCK: _rule(
        "a process's machine has a wrong clock, which is set right later",
        tuple(f"{process} {ahead}" for process in PROCESSES for ahead in AHEAD_S),
        1,
        (8, 40),
        # There the machine's clock is the database's.
        sqlite=(),
    ),
    Kind.GATEWAY: _rule("the vendors fail, or one phone is refused", tuple(GATEWAY_FAULTS), 3, (3, 15), least=3),
    Kind.DEVICE: _rule("a phone is removed while a push to it is under way", ("in flight",), 1),
    Kind.SECOND_BEAT: _rule("a second scheduler runs beside the first", ("beat",), 0.34, (10, 30)),
    Kind.SCHEDULE: _rule("a board's schedule is changed", SCHEDULES, 0.5),
    Kind.NEW_IDS: _rule("a board's posts have other ids at each crawl", SITES, 0.5, (6, 30)),
}
