"""What the doctor makes of what it sees."""

from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from pipeline.push.channels import Level
from scripts.checks.machine import room
from scripts.checks.queues import round_trip
from scripts.checks.services import eviction, persistence, room_for_connections, skew, version
from scripts.checks.sessions import judged


@pytest.mark.parametrize(
    ("memory", "level", "words"),
    [
        ({"maxmemory_policy": "noeviction", "maxmemory": 5}, Level.OK, "refuses"),
        ({"maxmemory_policy": "noeviction", "maxmemory": 0}, Level.OK, "refuses"),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 5}, Level.FAIL, "config set maxmemory-policy noeviction"),
        ({"maxmemory_policy": "volatile-ttl", "maxmemory": 0}, Level.WARN, "should it ever"),
        ({}, Level.WARN, "unknown"),
    ],
)
def test_a_redis_that_forgets_when_it_is_full_is_found(memory: dict[str, object], level: Level, words: str) -> None:
    finding = eviction(memory)
    assert finding.level is level
    assert words in finding.sentence


@pytest.mark.parametrize(
    ("aof", "save", "messages", "level", "words"),
    [
        (1, "", True, Level.OK, "keeps what it has"),
        (0, "3600 1", True, Level.WARN, "only its last snapshot"),
        (0, "", True, Level.WARN, "forgets every message"),
        (0, None, True, Level.WARN, "may forget"),
        (0, "", False, Level.OK, "locks alone"),
    ],
)
def test_what_a_restart_of_redis_leaves_is_said(
    aof: int, save: str | None, messages: bool, level: Level, words: str
) -> None:
    finding = persistence({"aof_enabled": aof}, save, messages=messages)
    assert finding.level is level
    assert words in finding.sentence


@pytest.mark.parametrize(
    ("server", "level", "words"),
    [
        ({"redis_version": "6.2.14"}, Level.WARN, "Redis 6.2.14 has known faults"),
        ({"redis_version": "6.2.20"}, Level.OK, "Redis 6.2.20 answers"),
        ({"redis_version": "7.0.15"}, Level.WARN, "7.2.11 or later"),
        ({"redis_version": "7.4.5"}, Level.WARN, "7.4.6 or later"),
        ({"redis_version": "8.2.2"}, Level.OK, "Redis 8.2.2"),
        ({"redis_version": "9.0.0"}, Level.OK, "Redis 9.0.0"),
        ({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.1.8"}, Level.OK, "Valkey 8.1.8"),
        ({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.1.1"}, Level.WARN, "8.1.4 or later"),
    ],
)
def test_a_server_with_a_known_fault_is_named_with_the_version_that_has_it_mended(
    server: dict[str, object], level: Level, words: str
) -> None:
    finding = version(server)
    assert finding.level is level
    assert words in finding.sentence


@pytest.mark.parametrize(
    ("seconds", "level", "words"),
    [
        (0.3, Level.OK, "agrees"),
        (-5, Level.WARN, "5 s behind that of Redis"),
        (40, Level.FAIL, "40 s ahead of that of Redis"),
    ],
)
def test_clocks_that_disagree_are_found(seconds: float, level: Level, words: str) -> None:
    finding = skew("Redis", seconds)
    assert finding.level is level
    assert words in finding.sentence


@pytest.mark.parametrize(
    ("answer", "readers", "level", "words"),
    [
        ("notifier@a", (), Level.OK, "notifier@a answers"),
        (None, ("notifier@a",), Level.WARN, "notifier@a reads it"),
        (None, (), Level.FAIL, "start the Procfile's notifier process"),
    ],
)
def test_a_queue_without_a_worker_is_told_from_one_whose_worker_is_busy(
    answer: str | None, readers: tuple[str, ...], level: Level, words: str
) -> None:
    finding = round_trip("notify_tasks", "notifier", answer=answer, readers=readers, wait_s=5, waiting=7)
    assert finding.level is level
    assert words in finding.sentence
    assert finding.sentence.startswith("notify_tasks: ")


@pytest.mark.parametrize(("free", "level"), [(5000, Level.OK), (999, Level.WARN), (199, Level.FAIL)])
def test_a_disk_that_is_nearly_full_is_found(free: int, level: Level) -> None:
    assert room(Path("/data"), free).level is level


KEY, OTHER = (urlsafe_b64encode(letter * 32).decode() for letter in (b"a", b"b"))
KEPT, OTHERS = (Fernet(key).encrypt(b"[]").decode() for key in (KEY, OTHER))


@pytest.mark.parametrize(
    ("key", "kept", "level", "words"),
    [
        ("", {}, Level.OK, "no site wants a login"),
        ("", {"members": None}, Level.FAIL, "SESSION_KEY is not set, so members cannot be logged into: make one by"),
        ("short", {"members": "x"}, Level.FAIL, "SESSION_KEY is no key"),
        (KEY, {"members": None}, Level.OK, "members can be logged into"),
        (KEY, {"members": KEPT}, Level.OK, "members can be logged into"),
        (KEY, dict.fromkeys("abcde", OTHERS), Level.WARN, "of a, b, c and 2 more"),
    ],
)
def test_what_a_key_means_for_the_sites_with_a_login(
    key: str, kept: dict[str, str | None], level: Level, words: str
) -> None:
    finding = judged(key, kept)
    assert finding.level is level
    assert words in finding.sentence
    assert not key or key not in finding.sentence


@pytest.mark.parametrize(
    ("clients", "levels"),
    [
        ({"connected_clients": 12, "maxclients": 10_000}, [Level.OK]),
        ({"connected_clients": 16, "maxclients": 20}, [Level.OK]),
        ({"connected_clients": 17, "maxclients": 20}, [Level.WARN]),
        # An old or a managed server that does not tell its limit
        ({"connected_clients": 17}, []),
    ],
)
def test_connections_that_near_their_limit_are_warned_of_with_the_numbers(
    clients: dict[str, object], levels: list[Level]
) -> None:
    found = list(room_for_connections(clients))
    assert [each.level for each in found] == levels
    assert all(f"{clients['connected_clients']} of at most {clients['maxclients']}" in each.sentence for each in found)
