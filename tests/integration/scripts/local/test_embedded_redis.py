"""The embedded Redis: private, kept between starts, deaf to the signals its neighbours stop at, never left behind."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import redis

from scripts.local import embedded_redis
from scripts.local.embedded_redis import EmbeddedRedis, EmbeddedRedisError
from tests.support.services import require

START_AND_WAIT = """\
import sys, time
from pathlib import Path
from scripts.local.embedded_redis import EmbeddedRedis
server = EmbeddedRedis(Path(sys.argv[1]))
server.start()
print(server.pid, server.url, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _a_server_is_installed() -> None:
    require(embedded_redis.find_server() is not None, "a redis-server")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "redis") as running:
        yield running


@pytest.fixture
def other_process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], psutil.Process, str]]:
    """A process that has started a server on tmp_path/redis, that server, and its address."""
    command = [sys.executable, "-c", START_AND_WAIT, str(tmp_path / "redis")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        pid, url = process.stdout.readline().split()
        owned = psutil.Process(int(pid))
        try:
            yield process, owned, url
        finally:
            process.kill()
            with suppress(psutil.NoSuchProcess):
                owned.kill()


def answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=60, retry=None) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def test_data_is_kept_between_starts(tmp_path):
    with EmbeddedRedis(tmp_path / "redis") as first, redis.Redis.from_url(first.url) as client:
        client.set("queued", "42")
        first_url = first.url
    with EmbeddedRedis(tmp_path / "redis") as second, redis.Redis.from_url(second.url) as client:
        assert client.get("queued") == b"42"
        second_url = second.url
    assert not answers(first_url)
    assert not answers(second_url)


def test_clients_find_it_again_where_it_was_if_that_is_wanted(tmp_path):
    server = EmbeddedRedis(tmp_path / "redis", keep_address=True)
    server.start()
    url = server.url
    try:
        with redis.Redis.from_url(url) as client:
            client.set("queued", "42")
            server.stop()
            server.start()
            assert server.url == url
            assert client.get("queued") == b"42"
    finally:
        server.stop()


def test_a_crash_keeps_the_data_unless_the_disk_is_gone_too(tmp_path):
    server = EmbeddedRedis(tmp_path / "redis", keep_address=True)
    server.start()
    try:
        with redis.Redis.from_url(server.url) as client:
            client.set("queued", "42")
            server.kill()
            assert not server.is_running
            server.start()
            assert client.get("queued") == b"42"
            server.kill(lose_data=True)
            server.start()
            assert client.get("queued") is None
    finally:
        server.stop()


def test_only_this_user_reads_the_password_and_nobody_gets_in_without(server, tmp_path):
    folder = tmp_path / "redis"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "redis.conf").stat().st_mode) == 0o600
    assert not answers(server.url.replace(":" + server.url.split(":")[2].split("@")[0], ":guessed"))
    # The process list is public.
    assert server.pid is not None
    assert server.url.split(":")[2].split("@")[0] not in " ".join(psutil.Process(server.pid).cmdline())


def test_it_listens_on_loopback_alone(server):
    assert server.pid is not None
    listening = [c.laddr.ip for c in psutil.Process(server.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_every_process_leaves_it_running_until_it_is_stopped(server, sent):
    assert server.pid is not None
    process = psutil.Process(server.pid)
    os.kill(server.pid, sent)
    os.kill(server.pid, sent)
    assert answers(server.url)
    server.stop()
    assert not process.is_running()


def test_a_second_start_on_the_same_folder_is_refused_in_one_sentence(other_process, tmp_path):
    process, _, url = other_process
    with pytest.raises(EmbeddedRedisError, match=f"already running.*process {process.pid}"):
        EmbeddedRedis(tmp_path / "redis").start()
    assert answers(url)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux ends a process with its parent")
def test_it_ends_when_its_starter_is_killed(other_process):
    process, owned, _ = other_process
    process.kill()
    owned.wait(60)


def test_a_server_left_behind_is_replaced_and_its_data_kept(other_process, tmp_path):
    # Given a server whose starter is gone: the same folder and configuration, started by nobody
    process, _, url = other_process
    with redis.Redis.from_url(url) as client:
        client.set("queued", "42")
        client.shutdown()
    process.kill()
    process.wait()
    folder = tmp_path / "redis"
    server = embedded_redis.find_server()
    assert server is not None
    with subprocess.Popen([server, "redis.conf"], cwd=folder, stdout=subprocess.DEVNULL) as leftover:
        try:
            while not answers(url):
                assert leftover.poll() is None

            # When the next start comes
            with EmbeddedRedis(folder) as fresh, redis.Redis.from_url(fresh.url) as client:
                # Then the leftover has ended and its data is there
                assert leftover.wait(60) == 0
                assert client.get("queued") == b"42"
        finally:
            leftover.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port that is bound is not free for a server either")
def test_a_port_that_was_found_free_stays_so_for_its_server_alone() -> None:
    port = embedded_redis.free_port()
    for _ in range(2):
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)):
            socket.create_connection(("127.0.0.1", port)).close()


def test_a_taken_port_is_tried_elsewhere(server, tmp_path, monkeypatch):
    taken = int(server.url.rsplit(":", 1)[1].split("/")[0])
    ports = iter([taken, embedded_redis.free_port()])
    monkeypatch.setattr(embedded_redis, "free_port", lambda: next(ports))
    with EmbeddedRedis(tmp_path / "other") as other:
        assert answers(other.url)
        assert other.url != server.url


def test_damaged_data_gives_one_sentence_with_the_way_out(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    for name in ("appendonly.aof", "appendonlydir"):  # Redis 6, Redis 7
        if name.endswith("aof"):
            (folder / name).write_bytes(b"this was never a command\r\n" * 3)
        else:
            (folder / name).write_bytes(b"not a folder")
    with pytest.raises(EmbeddedRedisError, match=f"ended at once .* remove {folder}"):
        EmbeddedRedis(folder).start()


def test_no_server_anywhere_names_the_package_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded_redis, "find_server", lambda: None)
    with pytest.raises(EmbeddedRedisError, match="apt install redis-server"):
        EmbeddedRedis(tmp_path / "redis").start()


def test_a_server_that_is_too_old_is_passed_over(tmp_path, monkeypatch):
    versions = {"redis-server": "Redis server v=6.0.16 sha=0", "valkey-server": "Valkey server v=8.1.3 sha=0"}
    for name, version in versions.items():
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\necho '{version}'\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert embedded_redis.find_server() == tmp_path / "valkey-server"
