"""A real worker on each transport: remote control, a stop amid work, and a Redis that goes away or forgets."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from tests.support.broker import BULK, QUEUE, STOCK, STURDY, unacked
from tests.support.redis_process import RedisProcess
from tests.support.transport_app import THREADS
from tests.support.waiting import wait_until
from tests.support.worker import STOP_S, Worker

StartWorker = Callable[..., Worker]


@pytest.fixture(params=(*(pytest.param(name, marks=pytest.mark.full) for name in (STOCK, STURDY)), BULK))
def transport(request: pytest.FixtureRequest) -> str:
    """As everywhere here, but every day on that alone which differs most from kombu's own: a worker takes seconds."""
    return str(request.param)


@pytest.fixture
def start_worker(transport: str, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers of the small app, and ends them with the test."""
    with ExitStack() as stack:

        def start(url: str, *arguments: str, **environment: str) -> Worker:
            environment = {"TRANSPORT_URL": url, "TRANSPORT": transport, **environment}
            return stack.enter_context(
                Worker(tmp_path, url, transport, *arguments, app="tests.support.transport_app", **environment)
            )

        yield start


def test_remote_control_sees_and_governs_the_tasks(redis_url, client, start_worker):
    worker = start_worker(redis_url)
    ids = worker.send(*range(THREADS), held=True) + worker.send(*range(THREADS, 9))
    wait_until(lambda: len(worker.noted("begun")) == THREADS, "every thread works")

    assert {task["id"] for task in worker.control("active")} == set(ids[:THREADS])
    assert {task["id"] for task in worker.control("reserved")} == set(ids[THREADS:])
    stats = worker.control("stats")
    assert (stats["prefetch_count"], stats["pool"]["max-concurrency"]) == (10 * THREADS, THREADS)
    assert [queue["name"] for queue in worker.control("active_queues")] == [QUEUE]

    # One that waits is revoked: it is never begun, and acknowledged all the same.
    (waiting,) = worker.send(9, countdown=3)
    wait_until(lambda: [task["request"]["id"] for task in worker.control("scheduled")] == [waiting], "it waits")
    worker.app.control.revoke(waiting)
    wait_until(lambda: worker.control("revoked") == [waiting], "the worker knows it")
    worker.release()
    wait_until(lambda: not unacked(client), "everything is acknowledged")
    assert sorted(worker.noted()) == list(range(9))

    # Two a second: the last of six has to wait for its turn.
    worker.app.control.rate_limit("note", "2/s")
    wait_until(lambda: "rate_limit=2/s" in str(worker.control("registered", "rate_limit")), "the limit holds")
    began = time.monotonic()
    worker.send(*range(10, 16))
    wait_until(lambda: not unacked(client) and len(worker.noted()) == 15, "all went")
    assert time.monotonic() - began > 1.5
    assert sorted(worker.noted()) == [*range(9), *range(10, 16)]


def test_a_stop_amid_the_tasks_loses_none_and_repeats_none(redis_url, client, start_worker):
    first = start_worker(redis_url)
    first.send(*range(100), seconds=0.03)
    first.send(*range(100, 500), seconds=0.03, held=True)
    wait_until(lambda: len(first.noted()) > 60, "it is amid the tasks")
    first.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "Warm shutdown" in first.said(), "it begins to stop")
    first.release()
    assert first.process.wait(STOP_S) == 0
    done = first.noted()
    assert len(done) < 500
    assert unacked(client) == []
    assert sorted(first.noted("begun")) == sorted(done)
    second = start_worker(redis_url)
    wait_until(lambda: len(second.noted()) >= 500 and not unacked(client), "the others are done")
    assert second.terminate() == 0
    assert sorted(second.noted()) == list(range(500))


POOL = "tests.support.transport_app:Pool"


@pytest.mark.parametrize("transport", [BULK])
def test_what_goes_the_short_way_into_a_batch_is_seen_revoked_counted_and_given_back(redis_url, client, start_worker):
    # At INFO each task has lines of its own, and none goes the short way.
    worker = start_worker(redis_url, "-l", "WARNING", POOL=POOL)

    def send(*numbers: object) -> list[str]:
        return [str(worker.app.send_task("together", (number,)).id) for number in numbers]

    first = send(0, 1)
    wait_until(lambda: len(worker.noted("begun")) == 2, "they are begun")
    rest = send(*range(2, 20))
    # Given the threads, it has begun as many batches as it may; the rest waits.
    wait_until(lambda: len(worker.control("active")) + len(worker.control("reserved")) == 20, "it has them all")
    seen = {task["id"]: task for method in ("active", "reserved") for task in worker.control(method)}
    assert set(seen) == {*first, *rest}
    assert (seen[first[0]]["name"], seen[first[0]]["args"], seen[first[0]]["acknowledged"]) == ("together", [0], False)
    assert seen[first[0]]["time_start"]
    assert not seen[rest[-1]]["time_start"]
    assert worker.control("query_task", first[0])[first[0]][0] == "active"

    # One that waits is revoked: it is never begun, and acknowledged all the same.
    worker.app.control.revoke(rest[-1])
    wait_until(lambda: worker.control("revoked") == [rest[-1]], "the worker knows it")
    worker.release()
    wait_until(lambda: not unacked(client) and len(worker.noted()) == 19, "all are done but one, and acknowledged")
    assert sorted(worker.noted("begun")) == list(range(19))
    assert worker.control("stats")["total"] == {"together": 19}
    assert not worker.control("active")
    assert not worker.control("reserved")

    # What fails, or is no call of its task, fails as a task does.
    send(-1, "no number", [1])
    wait_until(lambda: worker.said().count("raised unexpected") == 3, "each of them fails")
    wait_until(lambda: not client.exists("unacked"), "they are acknowledged")
    assert "ValueError: a negative number" in worker.said()
    assert sorted(worker.noted()) == list(range(19))


@pytest.mark.parametrize("transport", [BULK])
def test_a_stop_amid_batches_loses_none_and_repeats_none(redis_url, client, start_worker, tmp_path):
    first = start_worker(redis_url, "-l", "WARNING", POOL=POOL)
    for number in range(40):
        first.app.send_task("together", (number,))
    wait_until(lambda: len(first.noted("begun")) > THREADS, "two batches are under way")
    first.process.send_signal(signal.SIGTERM)
    wait_until((tmp_path / "stopping").exists, "it begins nothing any more")
    first.release()
    assert first.process.wait(STOP_S) == 0
    done = first.noted()
    assert len(done) < 40
    assert unacked(client) == []
    assert sorted(first.noted("begun")) == sorted(done)

    second = start_worker(redis_url, "-l", "WARNING", POOL=POOL)
    wait_until(lambda: len(second.noted()) >= 40 and not unacked(client), "the others are done")
    assert second.terminate() == 0
    assert sorted(second.noted()) == list(range(40))


def taken(client: "redis.Redis") -> set[int]:
    """The numbers of the tasks that are not acknowledged."""
    return {body[0][0] for body in unacked(client)}


# kombu's own ends at the first restart: it raises AttributeError where a connection that broke is given up.
@pytest.mark.parametrize("transport", [STURDY, BULK])
def test_a_worker_goes_on_after_redis_was_restarted_and_after_it_forgot_everything(start_worker, tmp_path):
    with (
        RedisProcess(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server,
        redis.Redis.from_url(server.url) as client,
    ):
        worker = start_worker(server.url, VISIBILITY_S="8")
        for first, end in ((0, server.vanish), (40, server.kill)):
            # It works, and waits for more: fewer than may be taken ahead. All: what a kill meets amid BRPOP is lost.
            worker.send(*range(first, first + 20), seconds=0.4)
            sent = set(range(first, first + 20))
            wait_until(lambda sent=sent: taken(client) | set(worker.noted()) >= sent, "it has taken all")  # type: ignore[misc]
            end()
            server.start()
            worker.send(*range(first + 20, first + 40))
            wait_until(lambda first=first: set(worker.noted()) == set(range(first + 40)), "all", seconds=120)  # type: ignore[misc]
            wait_until(lambda: not unacked(client) and not client.exists(QUEUE), "all is acknowledged")

        client.flushall()
        worker.send(*range(100, 120))
        wait_until(lambda: set(range(100, 120)) <= set(worker.noted()), "what came after it forgot")
        wait_until(lambda: not unacked(client), "all is acknowledged")
        assert worker.process.poll() is None
        assert worker.terminate() == 0


@pytest.mark.full
@pytest.mark.parametrize("transport", [BULK])
def test_batches_go_on_after_redis_was_restarted_amid_them(start_worker, tmp_path):
    with (
        RedisProcess(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server,
        redis.Redis.from_url(server.url) as client,
    ):
        worker = start_worker(server.url, "-l", "WARNING", POOL=POOL, VISIBILITY_S="8")
        for first, end in ((0, server.vanish), (100, server.kill)):
            for number in range(first, first + 60):
                worker.app.send_task("together", (number,))
            wait_until(lambda first=first: any(n >= first for n in worker.noted("begun")), "it is amid them")  # type: ignore[misc]
            end()
            server.start()
            worker.release()
            for number in range(first + 60, first + 100):
                worker.app.send_task("together", (number,))
            wait_until(lambda first=first: set(worker.noted()) >= set(range(first + 100)), "all", seconds=120)  # type: ignore[misc]
            wait_until(lambda: not unacked(client) and not client.exists(QUEUE), "all is acknowledged")
        assert worker.process.poll() is None
        assert worker.terminate() == 0
