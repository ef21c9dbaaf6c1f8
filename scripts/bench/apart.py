"""A benchmark in a process of its own: it leaves nothing behind that the next one would measure, and may fail alone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from scripts.bench.errors import BenchmarkError
from scripts.local.shielded import end_with_parent

STOP_S = 60.0
"""For ending the servers and workers of a benchmark that is broken off."""


def figures(arguments: Sequence[str]) -> dict[str, Any]:
    """What `crawlpush bench ARGUMENTS` prints, which must ask for --json. Raises BenchmarkError.

    Call it from the main thread: on Linux the process is interrupted when that ends.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.cli", "bench", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        # Ctrl-C reaches it once, from us: a second one would break off its clean-up.
        start_new_session=True,
        preexec_fn=partial(end_with_parent, os.getpid(), signal.SIGINT),
    )
    try:
        said, complained = process.communicate()
    except BaseException:
        _interrupt(process)
        raise
    if process.returncode:
        # What is asked for JSON tells its errors so too.
        reason = _object(said).get("reason") or _last_words(complained)
        raise BenchmarkError(reason or f"it ended with exit code {process.returncode}")
    found = _object(said)
    if not found:
        raise BenchmarkError(f"it printed no figures, but {said.strip()[:100]!r}")
    return found


def _object(said: str) -> dict[str, Any]:
    """The JSON object that was printed; an empty one when it was anything else."""
    try:
        found = json.loads(said)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _interrupt(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _last_words(complained: str) -> str:
    """The sentence of an error of ours, else the last line, which names what a traceback is of."""
    lines = [line.strip() for line in complained.splitlines() if line.strip()]
    sentences = [line for line in lines if line.startswith("Error: ")]
    return (sentences or lines or [""])[-1].removeprefix("Error: ")
