"""What the parent reads from a child's status pipe."""

import os
import socket
from collections.abc import Iterator

import pytest

from pipeline.crawling.forkserver import Child, Exit, ForkRefusedError


@pytest.fixture
def pipe() -> Iterator[tuple[Child, int]]:
    channel, other = socket.socketpair()
    status, writing = os.pipe()
    child = Child(channel, status)
    yield child, writing
    # Its number is nobody's.
    child.pid = 0
    child.close()
    other.close()


def test_a_life(pipe: tuple[Child, int]) -> None:
    child, writing = pipe
    # The two lines may arrive as one.
    os.write(writing, b"pid 4194999\nexit -9 0.5000\n")
    os.close(writing)
    child.await_pid()
    child.read_status()
    assert child.pid == 4194999
    assert child.exit == Exit(code=-9, cpu_s=0.5)


def test_the_forkserver_dies_with_it(pipe: tuple[Child, int]) -> None:
    child, writing = pipe
    os.write(writing, b"pid 4194999\n")
    os.close(writing)
    child.await_pid()
    child.read_status()
    assert child.exit == Exit(code=None)


def test_there_is_no_room_for_a_process(pipe: tuple[Child, int]) -> None:
    child, writing = pipe
    os.write(writing, b"refused Resource temporarily unavailable\n")
    os.close(writing)
    with pytest.raises(ForkRefusedError, match="no process could be made for the crawl: Resource temporarily"):
        child.await_pid()


def test_the_forkserver_is_gone(pipe: tuple[Child, int]) -> None:
    child, writing = pipe
    os.close(writing)
    with pytest.raises(OSError, match="did not fork"):
        child.await_pid()
