"""What the doctor makes of what it sees."""

from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from pipeline.push.channels import Finding, Level
from scripts.checks.machine import room
from scripts.checks.queues import round_trip
from scripts.checks.services import eviction, persistence, room_for_connections, skew, version
from scripts.checks.sessions import judged
from scripts.checks.vendor_clock import judge_skew


def valkey(number: str) -> Finding:
    return version({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": number})


def waited(answer: str | None, *readers: str) -> Finding:
    return round_trip("notify_tasks", "notifier", answer=answer, readers=readers, wait_s=5, waiting=7)


@pytest.mark.parametrize(
    ("look", "level", "words"),
    [
        # A Redis that forgets when it is full
        (lambda: eviction({"maxmemory_policy": "allkeys-lru", "maxmemory": 5}), Level.FAIL, "policy noeviction"),
        (lambda: eviction({"maxmemory_policy": "noeviction", "maxmemory": 5}), Level.OK, "refuses"),
        (lambda: eviction({"maxmemory_policy": "noeviction", "maxmemory": 0}), Level.OK, "refuses"),
        (lambda: eviction({"maxmemory_policy": "volatile-ttl", "maxmemory": 0}), Level.WARN, "should it ever"),
        (lambda: eviction({}), Level.WARN, "unknown"),
        # What a restart of Redis leaves
        (lambda: persistence({"aof_enabled": 1}, "", messages=True), Level.OK, "keeps what it has"),
        (lambda: persistence({"aof_enabled": 0}, "3600 1", messages=True), Level.WARN, "only its last snapshot"),
        (lambda: persistence({"aof_enabled": 0}, "", messages=True), Level.WARN, "forgets every message"),
        (lambda: persistence({"aof_enabled": 0}, None, messages=True), Level.WARN, "may forget"),
        (lambda: persistence({"aof_enabled": 0}, "", messages=False), Level.OK, "locks alone"),
        # A server with a known fault, and the version that has it mended
        (lambda: version({"redis_version": "6.2.14"}), Level.WARN, "Redis 6.2.14 has known faults"),
        (lambda: version({"redis_version": "6.2.20"}), Level.OK, "Redis 6.2.20 answers"),
        (lambda: version({"redis_version": "7.0.15"}), Level.WARN, "7.2.11 or later"),
        (lambda: version({"redis_version": "7.4.5"}), Level.WARN, "7.4.6 or later"),
        (lambda: version({"redis_version": "8.2.2"}), Level.OK, "Redis 8.2.2"),
        (lambda: version({"redis_version": "9.0.0"}), Level.OK, "Redis 9.0.0"),
        (lambda: valkey("8.1.8"), Level.OK, "Valkey 8.1.8"),
        (lambda: valkey("8.1.1"), Level.WARN, "8.1.4 or later"),
        # Clocks that disagree
        (lambda: skew("Redis", 0.3), Level.OK, "agrees"),
        (lambda: skew("Redis", -5), Level.WARN, "5 s behind that of Redis"),
        (lambda: skew("Redis", 40), Level.FAIL, "40 s ahead of that of Redis"),
        (lambda: judge_skew(0), Level.OK, "right"),
        (lambda: judge_skew(-119), Level.OK, "right"),
        (lambda: judge_skew(121), Level.FAIL, "121 s ahead"),
        (lambda: judge_skew(-3600), Level.FAIL, "3600 s behind"),
        # A queue without a worker, and one whose worker is busy
        (lambda: waited("notifier@a"), Level.OK, "notify_tasks: notifier@a answers"),
        (lambda: waited(None, "notifier@a"), Level.WARN, "notifier@a reads it"),
        (lambda: waited(None), Level.FAIL, "start the Procfile's notifier process"),
    ],
)
def test_what_is_wrong_is_found_and_said_with_the_way_out(look, level, words):
    finding = look()
    assert finding.level is level
    assert words in finding.sentence


@pytest.mark.parametrize(("free", "level"), [(5000, Level.OK), (999, Level.WARN), (199, Level.FAIL)])
def test_a_disk_that_is_nearly_full_is_found(free, level):
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
def test_what_a_key_means_for_the_sites_with_a_login(key, kept, level, words):
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
def test_connections_that_near_their_limit_are_warned_of_with_the_numbers(clients, levels):
    found = list(room_for_connections(clients))
    assert [each.level for each in found] == levels
    assert all(f"{clients['connected_clients']} of at most {clients['maxclients']}" in each.sentence for each in found)
