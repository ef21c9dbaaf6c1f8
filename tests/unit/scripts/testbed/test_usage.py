import os
import sys
from pathlib import Path

import pytest

from scripts.testbed import usage as module
from scripts.testbed.usage import usage


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_we_use_ourselves() -> None:
    seen = usage(os.getpid())
    assert seen is not None
    assert seen.pid == os.getpid()
    assert seen.rss_mb is not None
    assert seen.peak_mb is not None
    assert 5 < seen.rss_mb <= seen.peak_mb
    assert seen.threads
    assert seen.fds
    unshared = usage(os.getpid(), with_pss=False)
    assert unshared is not None
    assert unshared.pss_mb is None


def test_nothing_is_known_without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROC", tmp_path)
    assert usage(os.getpid()) is None
