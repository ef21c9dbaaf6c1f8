"""The exporter as a process: it serves, and ends when it is asked to."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[4]
COMMAND = (sys.executable, "-c", "from scripts.cli import main; main(prog_name='crawlpush')", "metrics")


def environment(sqlite_url: str, redis_url: str) -> dict[str, str]:
    return {**os.environ, "ENV_FILE": "", "DATABASE_URL": sqlite_url, "REDIS_URL": redis_url}


def test_the_exporter_serves_on_loopback_and_ends_with_sigterm(sqlite_url: str, redis_url: str) -> None:
    exporter = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0"],
        cwd=ROOT,
        env=environment(sqlite_url, redis_url),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = exporter.stdout.readline().split()[-1]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=60) as answer:
            text = answer.read().decode()
        assert 'crawlpush_up{server="redis"} 1.0' in text
        exporter.send_signal(signal.SIGTERM)
        assert exporter.wait(60) == 0
    finally:
        exporter.kill()
        exporter.wait()


def test_a_port_that_is_taken_is_a_sentence(sqlite_url: str, redis_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "serve", "--port", port],
            cwd=ROOT,
            env=environment(sqlite_url, redis_url),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
