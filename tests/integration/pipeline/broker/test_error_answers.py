"""A Redis that answers with an error, or on some connections no more: a worker waits, says so, and goes on."""

import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from celery import Celery

from pipeline import signs
from pipeline.celery import AMQP_HEARTBEAT_S
from scripts.local.embedded_redis import free_port
from scripts.local.proxy import Proxy
from tests.support.broker import BULK, QUEUE, STURDY
from tests.support.redis_process import RedisProcess
from tests.support.waiting import wait_until
from tests.support.worker import Worker


def _cannot_save(client: "redis.Redis") -> None:
    # Without its folder it cannot save, and refuses to write what it could lose.
    shutil.rmtree(str(client.config_get("dir")["dir"]))
    client.config_set("save", "1 1")
    client.set("to be saved", "1")
    with suppress(redis.ResponseError):  # it may have begun by itself
        client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "it failed to save")


def _unblocked(client: "redis.Redis") -> None:
    def unblocked() -> int:
        return sum(client.execute_command("CLIENT", "UNBLOCK", each["id"], "ERROR") for each in client.client_list())

    wait_until(unblocked, "somebody waits")


TROUBLES: dict[str, tuple[Callable[["redis.Redis"], object], Callable[["redis.Redis"], object]]] = {
    "READONLY": (lambda it: it.replicaof("127.0.0.1", str(free_port())), lambda it: it.replicaof("NO", "ONE")),
    "OOM": (lambda it: it.config_set("maxmemory", 1), lambda it: it.config_set("maxmemory", 0)),
    "NOREPLICAS": (
        lambda it: it.config_set("min-replicas-to-write", 1),
        lambda it: it.config_set("min-replicas-to-write", 0),
    ),
    "NOPERM": (
        lambda it: it.execute_command("ACL SETUSER default -@blocking -evalsha"),
        lambda it: it.execute_command("ACL SETUSER default +@all"),
    ),
    "UNBLOCKED": (_unblocked, lambda it: it.ping()),
    # The last one: its folder stays away.
    "MISCONF": (_cannot_save, lambda it: it.config_set("stop-writes-on-bgsave-error", "no")),
}


@pytest.mark.parametrize(
    ("transport", "troubles"),
    [
        (BULK, ("READONLY", "NOPERM")),
        pytest.param(BULK, tuple(TROUBLES), marks=pytest.mark.full),
        # BRPOP may be called where memory is short.
        pytest.param(STURDY, tuple(word for word in TROUBLES if word != "OOM"), marks=pytest.mark.full),
    ],
)
def test_a_worker_outlives_every_error_that_redis_answers_with(tmp_path, transport, troubles):
    (tmp_path / "redis").mkdir()
    with (
        RedisProcess(tmp_path / "redis") as server,
        redis.Redis.from_url(server.url) as client,
        Worker(
            tmp_path, server.url, transport, "--without-mingle", app="tests.support.transport_app",
            TRANSPORT_URL=server.url, TRANSPORT=transport, VISIBILITY_S="3",
        ) as worker,
    ):  # fmt: skip
        for number, word in enumerate(troubles):
            begin, end = TROUBLES[word]
            begin(client)
            wait_until(lambda: worker.said().count("away or refusing") == number + 1, f"it says {word}")  # noqa: B023
            end(client)
            wait_until(lambda: worker.said().count("broker is back") == number + 1, f"it goes on after {word}")  # noqa: B023
            worker.send(number)
            wait_until(lambda: number in worker.noted(), f"it works after {word}")  # noqa: B023
        said = worker.said()
        assert worker.process.poll() is None
        assert "Traceback" not in said, said
        # "Away", "back", and what could not be acknowledged meanwhile.
        assert len(re.findall("WARNING|ERROR|CRITICAL", said)) <= 3 * len(troubles), said
        assert worker.terminate() == 0


@pytest.mark.parametrize("transport", [BULK, pytest.param(STURDY, marks=pytest.mark.full)])
def test_a_worker_waits_while_redis_loads_its_data(tmp_path, transport):
    slowly = ("--key-load-delay", "60000", "--loading-process-events-interval-bytes", "1024", "--save", "3600 1")
    with (
        RedisProcess(tmp_path, *slowly) as server,
        redis.Redis.from_url(server.url, retry=None) as client,
        Worker(
            tmp_path, server.url, transport, "--without-mingle", app="tests.support.transport_app",
            TRANSPORT_URL=server.url, TRANSPORT=transport, VISIBILITY_S="3", DATA_DIR=str(tmp_path),
        ) as worker,
    ):  # fmt: skip
        client.mset({f"ballast:{number}": "x" * 2000 for number in range(1000)})
        client.save()
        server.kill()
        server.launch()

        def refused() -> int:
            with suppress(redis.ConnectionError):
                return int(client.info("errorstats").get("errorstat_LOADING", {"count": 0})["count"])
            return 0

        wait_until(lambda: refused() >= 2, "the worker is told that it loads")
        wait_until(lambda: _waits_for(tmp_path) == ["its broker"], "it says that it lives and waits")
        client.config_set("key-load-delay", 0)
        wait_until(lambda: "broker is back" in worker.said(), "it goes on")
        worker.send(1)
        wait_until(lambda: worker.noted() == [1], "it works")
        wait_until(lambda: _waits_for(tmp_path) == [""], "it says that it lives")
        assert worker.said().count("away or refusing") == 1
        assert "Traceback" not in worker.said()
        worker.process.terminate()
        worker.process.wait(timeout=60)
        assert _waits_for(tmp_path) == []


def _waits_for(folder: Path) -> list[str]:
    return [sign.waits_for for sign in signs.signs(folder)]


@pytest.mark.parametrize("transport", [BULK, pytest.param(STURDY, marks=pytest.mark.full)])
def test_a_worker_gives_up_connections_that_swallow_everything(tmp_path, transport):
    with RedisProcess(tmp_path) as server, Proxy(server.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        with Worker(
            tmp_path, url, transport, "--without-mingle", app="tests.support.transport_app",
            TRANSPORT_URL=url, TRANSPORT=transport, HEALTH_S="1", ANSWER_S="1", VISIBILITY_S="3",
        ) as worker:  # fmt: skip
            worker.send(1)
            wait_until(lambda: worker.noted() == [1], "it works")
            proxy.swallow()
            with Celery(broker=server.url, set_as_current=False) as direct:
                # BRPOP lets a message go to a connection that is dead; the sweep sends such a one again.
                numbers = count(2)
                wait_until(
                    lambda: (direct.send_task("note", (next(numbers),), queue=QUEUE), len(worker.noted()) > 1)[1],
                    "it works again",
                )
                # Remote control has a connection of its own.
                wait_until(lambda: direct.control.inspect(timeout=1).ping(), "it answers again")
            assert worker.process.poll() is None


@pytest.mark.full
def test_a_worker_gives_up_a_connection_to_rabbitmq_that_swallows_everything(tmp_path, rabbitmq_url):
    port = urlsplit(rabbitmq_url).port or 0
    with Proxy(port) as proxy:
        url = rabbitmq_url.replace(f":{port}", f":{proxy.port}")
        with Worker(
            tmp_path, url, "stock", "--without-mingle", app="tests.support.transport_app",
            TRANSPORT_URL=url, HEARTBEAT_S="2",
        ) as worker:  # fmt: skip
            worker.send(1)
            wait_until(lambda: worker.noted() == [1], "it works")
            proxy.swallow()
            with Celery(broker=rabbitmq_url, set_as_current=False) as direct:
                direct.send_task("note", (2,), queue=QUEUE)
                # What it sends itself finds out by TCP_USER_TIMEOUT, which py-amqp sets and no proxy can show.
                wait_until(lambda: 2 in worker.noted(), "it works again")
            assert worker.process.poll() is None
    assert 2 * AMQP_HEARTBEAT_S < 60
