"""Waiting for a condition, with an end."""

import time
from collections.abc import Callable
from typing import Any

SECONDS = 60.0
"""How long a test waits for what should come at once: a busy machine's time, which costs nothing where it comes."""


def wait_until(condition: Callable[[], Any], what: str = "it happens", *, seconds: float = SECONDS) -> Any:
    """Wait for a condition, and return what it then gives; fail with `what` when it does not come true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.01)
    return found
