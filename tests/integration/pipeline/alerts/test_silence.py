"""What nobody else tells: a dispatcher that is missing, and whatever a look meets."""

import logging
import threading
from datetime import timedelta

import pytest
from sqlalchemy.exc import InterfaceError

from pipeline.alerts import watching
from pipeline.alerts.watching import look
from pipeline.resources import now
from pipeline.scheduling import heartbeat
from pipeline.settings import Settings


def test_a_missing_dispatcher_is_told_once_when_it_begins_and_once_when_it_ends(database, redis, caplog):
    settings = Settings()
    at = now()
    heartbeat.record(redis, at=at, upcoming={})
    # Nobody knows of a tick; from now on beat waits for one.
    look(database, redis, settings, beat_ticks=False)
    heartbeat.begin_to_wait(redis, at=at - timedelta(minutes=11))
    for _ in range(3):
        look(database, redis, settings, beat_ticks=False)
    heartbeat.record_tick(redis, at=now())
    for _ in range(3):
        look(database, redis, settings, beat_ticks=False)
    said = [line.fields["news"] for line in caplog.records if line.message == "operation"]  # type: ignore[attr-defined]
    assert len(said) == 2
    assert "no dispatcher has done beat's ticks for 11 min" in said[0]
    assert "again" in said[1]


def test_a_beat_that_is_gone_is_no_missing_dispatcher(redis):
    at = now()
    ticked = at - timedelta(hours=1)
    assert heartbeat.dispatcher_problem([], ticked, at) is None
    heartbeat.record(redis, at=at - timedelta(hours=1), upcoming={})
    assert heartbeat.dispatcher_problem(heartbeat.beats(redis), ticked, at) is None


@pytest.mark.parametrize("strange", [b"no json", b"[" * 100_000, b"{}", b"7", b"\xff", b'{"at": "x", "upcoming": 3}'])
def test_what_is_no_heartbeat_hides_none(redis, strange):
    redis.hset(heartbeat.KEY, "odd", strange)
    redis.hset(heartbeat.KEY, b"\xff:x", strange)
    redis.set(heartbeat.TICKED_KEY, strange)
    heartbeat.record(redis, at=now(), upcoming={})
    assert len(heartbeat.beats(redis)) == 1
    assert strange == b"7" or heartbeat.last_tick(redis) is None


@pytest.mark.parametrize(
    "error", [InterfaceError("x", {}, Exception()), RecursionError(), ValueError("odd"), OSError()]
)
def test_the_thread_that_watches_outlives_whatever_a_look_raises(database, redis, monkeypatch, caplog, error):
    caplog.set_level(logging.WARNING)
    looked, fail = threading.Semaphore(0), iter([error, error])

    def shaky(*_: object, **__: object) -> None:
        if (failure := next(fail, None)) is not None:
            raise failure
        looked.release()

    monkeypatch.setattr(watching, "look", shaky)
    monkeypatch.setattr(watching, "TAKE_OVER_AFTER", 0)
    settings = Settings().model_copy(update={"alert_s": 0.02})
    over = watching.start_thread(database, redis, settings)
    assert looked.acquire(timeout=60)
    over.set()
    assert caplog.records[0].message == "alerts away or refusing, waiting"
