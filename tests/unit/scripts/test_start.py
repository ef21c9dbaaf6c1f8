"""When a second signal is a second wish."""

import signal

import pytest

from scripts.commands import start
from scripts.commands.start import StopSignals


@pytest.mark.parametrize(("after_s", "hurries"), [(0.0, False), (0.9, False), (1.1, True)])
def test_a_signal_that_comes_well_after_the_first_is_a_second_wish(monkeypatch, after_s, hurries):
    now = 100.0
    monkeypatch.setattr(start.time, "monotonic", lambda: now)
    signals = StopSignals()
    signals.only_note()
    signals._handle(signal.SIGTERM, None)
    assert (signals.wanted, signals.hurry) == (True, False)
    now += after_s
    signals._handle(signal.SIGTERM, None)
    assert signals.hurry is hurries
