"""What a child's death says when it could not say anything itself."""

import signal

import pytest

from pipeline.crawling.child import cause_of_death
from pipeline.crawling.forkserver import Exit


@pytest.mark.parametrize(
    ("code", "ended_for", "reason"),
    [
        (-signal.SIGKILL, "stopped", "stopped"),
        (-signal.SIGKILL, "timeout", "timeout"),
        (-signal.SIGXCPU, None, "timeout"),
        (-signal.SIGKILL, None, "killed"),
        (None, None, "killed"),
        (-signal.SIGSEGV, None, "crashed"),
        (-signal.SIGABRT, None, "crashed"),
        (0, None, "crashed"),
        (7, None, "crashed"),
    ],
)
def test_cause_of_death(code: int | None, ended_for: str | None, reason: str) -> None:
    found, words = cause_of_death(Exit(code=code), ended_for=ended_for)
    assert found == reason
    assert words.startswith("the ")
