import os
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.testbed import usage as module
from scripts.testbed.usage import connections, usage


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_we_use_ourselves() -> None:
    seen = usage(os.getpid())
    assert seen.pid == os.getpid()
    assert 5 < seen.rss_mb <= seen.peak_mb
    assert seen.threads
    assert seen.fds
    unshared = usage(os.getpid(), with_pss=False)
    assert unshared.pss_mb is None


def test_nothing_is_known_without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROC", tmp_path)
    assert usage(os.getpid()) is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_connections_to_a_port_are_counted() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listener.getsockname()[1]
        assert connections(os.getpid(), port) == 0
        for _ in range(2):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert connections(os.getpid(), port) == 2
    assert connections(0, port) == 0
