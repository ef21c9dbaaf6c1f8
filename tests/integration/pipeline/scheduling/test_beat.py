"""Beat's heartbeat, and what beat does when the clock is set back. How it ends at a signal."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.worker import state
from redis import Redis

from pipeline import resources, signs
from pipeline.scheduling import beat, heartbeat
from pipeline.scheduling.beat import BeatThread, HeartbeatScheduler
from pipeline.settings import get_settings
from pipeline.worker import lifecycle
from tests.support.clock import Clock
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[4]

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture
def redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        monkeypatch.setattr(resources, "redis", lambda: client)
        yield client


def said(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What beat said; other tests' leavings may be in the log too."""
    return [record for record in caplog.records if record.name.startswith("pipeline.")]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(NOW)
    monkeypatch.setattr(resources, "now", clock)
    return clock


class Sent(HeartbeatScheduler):
    """A scheduler that notes what it would send."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.sent: list[str] = []
        super().__init__(*arguments, **options)

    @property
    def producer(self) -> None:
        return None

    def apply_entry(self, entry: Any, producer: object = None) -> None:
        del producer
        self.sent.append(entry.name)

    def run_due(self) -> None:
        """Tick until nothing is due."""
        while self.tick_once() == 0:
            pass


@pytest.fixture
def app(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Celery:
    app = Celery("test", set_as_current=False)
    app.conf.update(
        beat_schedule={"often": {"task": "often", "schedule": 10.0}, "seldom": {"task": "seldom", "schedule": 60.0}},
        enable_utc=True,
        result_expires=None,
        beat_max_loop_interval=5,
    )
    monkeypatch.setattr(app, "now", clock)
    return app


@pytest.fixture
def scheduler(app: Celery) -> Sent:
    return Sent(app)


def test_a_tick_says_that_beat_lives_and_what_it_will_send(redis, scheduler):
    scheduler.run_due()
    (found,) = heartbeat.beats(redis)
    assert found.at == NOW
    assert set(found.upcoming) == {"often", "seldom"}
    assert timedelta(0) < found.upcoming["often"] - NOW <= timedelta(seconds=10)


def test_a_clock_that_is_set_back_a_year_stops_nothing(redis, scheduler, clock):
    scheduler.run_due()
    for _ in range(13):
        clock.at += timedelta(seconds=5)
        scheduler.run_due()
    assert (scheduler.sent.count("often"), scheduler.sent.count("seldom")) == (6, 1)
    clock.at -= timedelta(days=365)
    for _ in range(14):
        scheduler.run_due()
        clock.at += timedelta(seconds=5)
    assert (scheduler.sent.count("often"), scheduler.sent.count("seldom")) == (12, 2)


def test_a_clock_that_is_set_forward_sends_each_entry_once(redis, scheduler, clock):
    scheduler.run_due()
    clock.at += timedelta(hours=1)
    scheduler.run_due()
    assert sorted(scheduler.sent) == ["often", "seldom"]


def test_a_redis_that_is_gone_stops_no_beat(scheduler, monkeypatch, caplog):
    monkeypatch.setattr(resources, "redis", lambda: Redis.from_url("redis://127.0.0.1:1/0"))
    scheduler.run_due()
    assert [record.message for record in said(caplog)] == ["redis away or refusing, waiting"]


@pytest.mark.parametrize(
    ("age", "problem"),
    [
        (timedelta(0), None),
        (timedelta(seconds=29), None),
        (timedelta(seconds=31), "beat's last heartbeat is 31 s old"),
        # Written by a clock that ran ahead.
        (-timedelta(days=365), "beat's last heartbeat is"),
    ],
)
def test_a_heartbeat_is_stale_after_half_a_minute(redis, age, problem):
    heartbeat.record(redis, at=NOW - age, upcoming={})
    said = heartbeat.problem(heartbeat.beats(redis), NOW)
    assert (said is None) if problem is None else (said or "").startswith(problem)


def test_without_any_heartbeat_beat_is_not_running(redis):
    assert "is not running" in (heartbeat.problem(heartbeat.beats(redis), NOW) or "")


def test_one_living_beat_is_enough_and_old_ones_are_forgotten(redis):
    redis.hset(heartbeat.KEY, "gone:1", '{"at": 0, "upcoming": {}}')
    heartbeat.record(redis, at=NOW, upcoming={})
    assert heartbeat.problem(heartbeat.beats(redis), NOW) is None
    heartbeat.forget_old(redis, now=NOW)
    assert len(heartbeat.beats(redis)) == 1
    assert heartbeat.STALE_AFTER.total_seconds() / 2 > beat.HEARTBEAT_EVERY_S


def test_a_broker_that_is_away_takes_beat_two_lines_however_many_ticks_fail(clock, caplog, monkeypatch):
    app = Celery("test", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.update(
        beat_schedule={"often": {"task": "often", "schedule": 10.0}},
        enable_utc=True,
        result_expires=None,
        task_publish_retry=False,
    )
    monkeypatch.setattr(app, "now", clock)
    scheduler = HeartbeatScheduler(app)
    monkeypatch.setattr(resources, "redis", lambda: Redis(port=1, retry=None))
    monkeypatch.setattr(beat, "HEARTBEAT_EVERY_S", 0)
    for _ in range(5):
        scheduler.tick_once()
        clock.at += timedelta(seconds=10)
    assert sorted(line.message for line in said(caplog)) == [
        "broker away or refusing, waiting",
        "redis away or refusing, waiting",
    ]
    assert not any(line.exc_info for line in said(caplog))

    monkeypatch.setattr(scheduler, "apply_async", lambda *_, **__: None)
    scheduler.tick_once()
    assert said(caplog)[-1].message == "broker is back"


@pytest.fixture
def handlers() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("signals", [1, 2])
def test_a_signal_in_the_middle_of_a_publish_ends_beat_after_it(redis, scheduler, clock, monkeypatch, signals):
    scheduler.run_due()
    clock.at += timedelta(seconds=10)

    def publish(entry: Any, producer: object = None) -> None:
        del producer
        for _ in range(signals):
            signal.raise_signal(signal.SIGTERM)
        scheduler.sent.append(entry.name)

    monkeypatch.setattr(scheduler, "apply_entry", publish)
    scheduler.end_at_signals()
    with pytest.raises(SystemExit):
        scheduler.tick()
    assert scheduler.sent == ["often"]


def beat_process(folder: Path, *, redis: str, broker: str) -> subprocess.Popen[bytes]:
    settings = {"REDIS_URL": redis, "BROKER_URL": broker, "DATA_DIR": str(folder), "DATABASE_URL": "", "ENV_FILE": ""}
    command = [sys.executable, "-m", "pipeline.worker.launch", "beat"]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings})


def test_a_beat_process_ends_at_a_signal(tmp_path, redis, redis_url):
    with beat_process(tmp_path, redis=redis_url, broker="") as process:
        wait_until(lambda: heartbeat.beats(redis), "beat ticks", seconds=60)
        process.terminate()
        assert process.wait(90) == 0


def test_a_beat_process_ends_at_a_signal_while_its_broker_swallows_what_it_sends(tmp_path, redis_url):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        broker = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        with beat_process(tmp_path, redis=redis_url, broker=broker) as process:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(1)
                process.terminate()
                assert process.wait(90) == 0


def test_the_beat_of_a_worker_ends_while_it_sleeps_and_gives_no_sign_any_more(app, redis, monkeypatch):
    monkeypatch.setattr(beat, "END_WITHIN_S", 60)
    app.conf.update(beat_max_loop_interval=3600, beat_schedule={"daily": {"task": "daily", "schedule": 86_400.0}})
    thread = BeatThread(app, scheduler_cls=Sent)
    thread.start()
    wait_until(lambda: heartbeat.beats(redis), "beat ticks")
    folder = get_settings().data_dir
    assert [sign.name for sign in signs.chosen(signs.signs(folder), "beat")] == [f"beat@{socket.gethostname()}"]
    thread.stop()
    assert not thread.is_alive()
    assert not signs.chosen(signs.signs(folder), "beat")


def test_a_worker_does_not_wait_for_a_tick_of_its_beat_that_hangs(app, redis, monkeypatch):
    monkeypatch.setattr(beat, "END_WITHIN_S", 0.01)
    begun, go_on = Event(), Event()
    monkeypatch.setattr(heartbeat, "record", lambda *_, **__: begun.set() or go_on.wait(60))
    thread = BeatThread(app, scheduler_cls=Sent)
    thread.start()
    assert begun.wait(60)
    thread.stop()
    assert thread.is_alive()
    go_on.set()
    thread.join(60)
    assert not thread.is_alive()


def test_a_worker_ends_when_its_beat_has_ended_by_itself(app, redis, monkeypatch):
    monkeypatch.setattr(state, "should_stop", None)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(heartbeat, "record", lambda *_, **__: 1 / 0)
    thread = BeatThread(app, scheduler_cls=Sent)
    thread.start()
    thread.join(60)
    lifecycle._end_with_beat(SimpleNamespace(controller=SimpleNamespace(beat=thread)))
    wait_until(lambda: state.should_stop == 1, "the worker's end")
