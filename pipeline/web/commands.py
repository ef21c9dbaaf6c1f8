"""Commands of crawlpush, run for the API and the pages as processes of their own: what reads a board loads Scrapy.

A module is found by name, as the crawls' forkserver is. So a definition is tried, checked and stored by the very
command that an operator types.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from pipeline.basics.secrets import has_secret
from pipeline.basics.text import last_line
from pipeline.setting_layers import PROJECT_ROOT
from pipeline.web.problems import RETRY_AFTER_S, ProblemError

LONGEST_S: Final = 180.0
"""A trial crawl has limits of its own; this is for what they do not see."""
_AT_ONCE: Final = threading.BoundedSemaphore(2)
"""Each loads Scrapy and fetches a page: two at a time leave the cores to the pushes."""


def run_command(words: Sequence[str]) -> str:
    """What a command prints. Raises ProblemError with its own sentence when it fails.

    Whoever steers sites over the web may not say where what stands in the environment of the machine is sent.
    """
    if any(map(has_secret, words)):
        sentence = "the definition names a secret: only `crawlpush sites` on the machine itself may do that"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, sentence)
    return run_module("scripts.from_stdin", list(words))


def run_module(module: str, told: object) -> str:
    """What a program of ours prints that is told something as JSON. Raises ProblemError with its own sentence."""
    if not _AT_ONCE.acquire(blocking=False):
        wait = {"Retry-After": str(RETRY_AFTER_S)}
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "two commands are running already: ask again", wait)
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            input=json.dumps(told),
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProblemError(HTTPStatus.GATEWAY_TIMEOUT, f"the page was not read within {LONGEST_S:g} s") from None
    finally:
        _AT_ONCE.release()
    if done.returncode:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, _reason(done) or "the command failed without a word")
    return done.stdout


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    """Why a command failed: with --json it says so in an object on standard output, else in a line on the other."""
    try:
        return str(json.loads(done.stdout)["reason"])
    except (ValueError, LookupError, TypeError):
        return last_line(done.stderr).removeprefix("Error: ")
