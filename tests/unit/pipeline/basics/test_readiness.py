"""Who hears that a process is ready."""

import socket
from pathlib import Path

import pytest

from pipeline.basics import readiness


def test_systemd_hears_it_at_its_socket_and_nobody_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    readiness.ready()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    readiness.ready()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "s"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "s"))
        readiness.ready()
        assert listening.recv(100) == b"READY=1"


def test_a_parent_that_looks_after_readiness_is_told_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_told", [])
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    told = []
    readiness.tell_ready(lambda: told.append("parent"))
    readiness.ready()
    assert told == ["parent"]
