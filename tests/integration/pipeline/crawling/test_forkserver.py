"""The forkserver: what it loads, and what it says when it cannot."""

import os
import resource
from collections.abc import Iterator

import psutil
import pytest

from pipeline.crawling.forkserver import ForkRefusedError, ForkServer, PreloadError


@pytest.fixture
def forkserver() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.stop()


def test_it_starts_once_and_stops(forkserver):
    forkserver.start()
    pid = forkserver.pid
    assert pid is not None
    forkserver.start()
    assert forkserver.pid == pid
    assert psutil.Process(pid).num_threads() == 1
    forkserver.stop()
    assert forkserver.pid is None
    assert not psutil.pid_exists(pid)


def test_a_child_without_an_order_ends_with_its_channel(forkserver):
    child = forkserver.fork()
    child.channel.close()
    # Blocks until there is something to read: its end.
    child.read_status()
    assert child.exit is not None
    child.close()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("import os; os._exit(4)", "ended with exit code 4 before it was ready"),
        ("from twisted.internet import reactor", "must not have a reactor"),
        (
            "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 2); raise OSError('no space, nor in the log')",
            "OSError: no space, nor in the log",
        ),
    ],
)
def test_a_preload_that_fails_says_why(forkserver, tmp_path, monkeypatch, code, words):
    (tmp_path / "broken_spiders.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("CRAWL_SPIDER_MODULES", "broken_spiders")
    with pytest.raises(PreloadError, match=words):
        forkserver.start()
    assert forkserver.pid is None


@pytest.mark.parametrize("whose", ["ours", "its"])
def test_a_process_that_has_no_descriptor_free_refuses_one_crawl_and_keeps_the_others(forkserver, whose):
    child = forkserver.fork()
    pid = forkserver.pid
    assert pid is not None
    limited = os.getpid() if whose == "ours" else pid
    soft, hard = resource.prlimit(limited, resource.RLIMIT_NOFILE)
    # The first three are taken, so there is none for anything new.
    resource.prlimit(limited, resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(ForkRefusedError, match=r"(?i)too many open files"):
            forkserver.fork()
    finally:
        resource.prlimit(limited, resource.RLIMIT_NOFILE, (soft, hard))

    assert forkserver.pid == pid
    assert psutil.pid_exists(child.pid)
    forkserver.fork().close()
    child.close()
