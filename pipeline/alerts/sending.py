"""Sending through Apprise, in a process of its own.

Apprise takes 26 MB and its services take the time they like: the process gives the memory back, and is killed when its
time is over. The URLs, which are secrets, reach it through standard input.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.setting_layers import PROJECT_ROOT

TIMEOUT_S = 25.0
"""For all destinations together."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A message to operators, for one destination. (No dead letter: `unreadable` is our word for those.)"""

    url: str
    title: str
    body: str

    def __repr__(self) -> str:
        return f"Letter(scheme={scheme_of(self.url)!r}, title={self.title!r})"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What became of a letter."""

    scheme: str
    ok: bool
    # Why it did not go, without anything of its URL.
    reason: str = ""


def scheme_of(url: str) -> str:
    """All of a destination's URL that may be shown."""
    return url.partition("://")[0]


def send(letters: Sequence[Letter], *, timeout_s: float = TIMEOUT_S) -> list[Sent]:
    """Send letters, and say of each what became of it. Never raises for one that does not go."""
    orders = json.dumps([{"url": letter.url, "title": letter.title, "body": letter.body} for letter in letters])
    path = os.pathsep.join(filter(None, (str(PROJECT_ROOT), os.environ.get("PYTHONPATH"))))
    why = "no answer"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.alerts.child"],
            input=orders.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            timeout=timeout_s,
            check=False,
        )
        printed = done.stdout
    except subprocess.TimeoutExpired as late:
        printed, why = late.stdout or b"", f"not within {timeout_s:g} s"
    answers = [json.loads(line) for line in printed.splitlines(keepends=True) if line.endswith(b"\n")]
    answers += [{"ok": False, "reason": why}] * (len(letters) - len(answers))
    return [
        Sent(scheme=scheme_of(letter.url), ok=answer["ok"], reason=answer["reason"])
        for letter, answer in zip(letters, answers, strict=True)
    ]
