import os
import subprocess
import sys

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from pipeline import locks
from pipeline.locks import Lease, Owner


def test_a_lock_is_listed_with_its_owner_and_its_time(redis):
    lease = Lease(redis, "host:board.test", 60)
    assert lease.acquire()
    assert not Lease(redis, "host:board.test", 60).acquire()
    (lock,) = locks.all_locks(redis)
    assert (lock.name, lock.state) == ("host:board.test", "alive")
    assert lock.owner.pid == os.getpid()
    assert 0 < lock.seconds_left <= 60
    lease.release()
    assert locks.all_locks(redis) == []


def test_only_the_locks_of_dead_owners_are_released(redis):
    # Given a lock of ours, one of a process that ended, one of another machine, and one that says nothing of its owner
    assert Lease(redis, "ours", 60).acquire()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine = Owner.this_process()
    dead = Owner(host=mine.host, place=mine.place, pid=ended.pid, started="1")
    # A pid that was given out again does not make its former owner alive.
    reused = Owner(host=mine.host, place=mine.place, pid=os.getpid(), started="1")
    elsewhere = Owner(host="elsewhere", place=mine.place, pid=ended.pid, started="1")
    for name, owner in {"dead": dead, "reused": reused, "elsewhere": elsewhere}.items():
        redis.set(f"{locks.PREFIX}{name}", owner.token(), ex=60)
    redis.set(f"{locks.PREFIX}nameless", b"0123456789abcdef")

    assert {lock.name: lock.state for lock in locks.all_locks(redis)} == {
        "dead": "dead",
        "reused": "dead",
        "ours": "alive",
        "elsewhere": "unknown",
        "nameless": "unknown",
    }
    locks.release(redis, ["dead", "gone meanwhile", "reused"])
    assert len(locks.all_locks(redis)) == 3


def test_a_lock_taken_away_from_its_owner_is_taken_again_if_it_is_free(redis):
    lease = Lease(redis, "x", 60)
    assert lease.acquire()
    locks.force_release(redis, "x")
    assert lease.renew()
    locks.force_release(redis, "x")
    assert Lease(redis, "x", 60).acquire()
    assert not lease.renew()
    # It is somebody else's now, and releasing ours does not release theirs.
    lease.release()
    assert len(locks.all_locks(redis)) == 1


def test_a_lock_that_nobody_holds_cannot_be_released(redis):
    with pytest.raises(locks.UnknownLockError, match="there is no lock 'x'"):
        locks.force_release(redis, "x")


def test_a_redis_that_is_gone_renews_and_releases_nothing_and_breaks_nothing(redis, monkeypatch):
    lease = Lease(redis, "x", 60)
    assert lease.acquire()

    def refuse(*_: object, **__: object) -> None:
        raise RedisConnectionError

    monkeypatch.setattr(redis, "execute_command", refuse)
    assert not lease.renew()
    lease.release()
