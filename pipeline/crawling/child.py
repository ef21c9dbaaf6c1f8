"""The parent's side of a crawl: a child process runs one spider; whatever it does, it ends in time, without a trace.

    order -> forkserver -> child: spider -> posts in the database
                             `-> progress, report -> CrawlReport

A child that hangs, loops, allocates without end, crashes or forks is closed or killed together with everything in its
process group; posts that it stored before stay. What it could not report itself is made up from how it died. (What
leaves the group for a session of its own is killed too where the kernel lets us find it, which is on Linux.)
"""

import contextlib
import json
import logging
import select
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Final, Protocol

from pipeline.crawling.forkserver import Child, Exit, ForkRefusedError, ForkServer
from pipeline.crawling.order import CrawlOrder, CrawlProgress, CrawlReport, report_of
from storage.run_figures import NO_PROCESS

logger = logging.getLogger(__name__)

STOP_GRACE_S: Final = 1.5
"""Time for a child to close its spider after `stop` was set; then it is killed."""

EXIT_GRACE_S: Final = 1.0
"""Time for a child to be gone after its report."""

POLL_S: Final = 0.1
"""How often `stop` is looked at."""

NEWS_EVERY_S: Final = 5.0
"""`on_progress` is called at least this often, also for a child that says nothing."""

ORDER_S: Final = 10.0
"""Time for a child to take its order, which it does first of all."""

UNKILLABLE_S: Final = 5.0
"""A process that the kernel does not end in this time is left to it."""

MESSAGE_BYTES: Final = 32 * 1024 * 1024
"""A child that sends a longer line is broken, and is killed."""


forkserver: Final = ForkServer()
"""From which each crawl is forked. A worker starts it when it starts, so that a broken installation stops it there."""


class Stop(Protocol):
    """Whether a crawl is to end early: an event, or several."""

    def is_set(self) -> bool:
        """True from the moment on at which it is to end."""


def run_child(
    order: CrawlOrder,
    *,
    stop: Stop,
    lease: Callable[[], float] | None = None,
    on_progress: Callable[[CrawlProgress], None] | None = None,
) -> CrawlReport:
    """Crawl in a child process, and return when it is over.

    `stop` closes the spider gracefully, and kills it 1.5 s later. `on_progress` is called in this thread with news,
    and at least every five seconds. What it raises ends the crawl and is raised here. The forkserver is started
    when it does not run; raises PreloadError when that fails.

    lease: until when the crawl may go on, on the monotonic clock; it may be moved on meanwhile. The child ends itself
    then, also when this process can do nothing.
    """
    try:
        child = forkserver.fork()
    except ForkRefusedError as error:
        return CrawlReport(finish_reason=NO_PROCESS, ok=False, errors=1, first_error=str(error))
    try:
        return _Watch(order, child, stop, lease, on_progress).until_over()
    finally:
        child.close()


def cause_of_death(end: Exit, *, ended_for: str | None) -> tuple[str, str]:
    """The finish reason of a child that ended without a report, and the same in words."""
    if ended_for == "stopped":
        return "stopped", "the crawl was stopped and did not close in time, so its process was killed"
    if ended_for == "timeout" or end.code == -signal.SIGXCPU:
        return "timeout", "the crawl reached its time limit and did not close, so its process was killed"
    if end.code is None:
        return "killed", "the process that crawls are forked from was killed, and the crawl with it"
    if end.code == -signal.SIGKILL:
        return "killed", "the crawl's process was killed, by somebody or by the kernel for want of memory"
    if end.code < 0:
        return "crashed", f"the crawl's process crashed with {signal.Signals(-end.code).name}"
    return "crashed", f"the crawl's process ended by itself with exit code {end.code}"


class _Watch:
    """Keeps an eye on one child."""

    def __init__(
        self,
        order: CrawlOrder,
        child: Child,
        stop: Stop,
        lease: Callable[[], float] | None,
        on_progress: Callable[[CrawlProgress], None] | None,
    ) -> None:
        self._order = order
        self._child = child
        self._stop = stop
        self._lease = lease
        self._leased_until = 0.0
        self._on_progress = on_progress
        self._progress = CrawlProgress()
        self._report: CrawlReport | None = None
        self._received = b""
        now = time.monotonic()
        self._soft_at = now + order.soft_limit_s
        self._kill_at = now + order.hard_limit_s
        self._news_at = now + NEWS_EVERY_S
        # Why we ended it, when we did.
        self._ended_for: str | None = None

    def until_over(self) -> CrawlReport:
        """Send the order, then listen and enforce the limits until the process is gone."""
        self._send_order()
        self._renew()
        poll = select.poll()
        poll.register(self._child.status, select.POLLIN)
        poll.register(self._child.channel, select.POLLIN)
        while self._child.exit is None:
            ready = {descriptor for descriptor, _ in poll.poll(POLL_S * 1000)}
            if self._child.channel.fileno() in ready and not self._receive():
                poll.unregister(self._child.channel)
            if self._child.status in ready:
                self._child.read_status()
            elif self._enforce(time.monotonic()):
                break
        while self._receive():
            pass
        end = self._child.exit or Exit(code=None)
        if self._report is not None:
            return replace(self._report, cpu_s=end.cpu_s)
        return self._obituary(end)

    def _send_order(self) -> None:
        channel = self._child.channel
        channel.settimeout(ORDER_S)
        try:
            channel.sendall(json.dumps(asdict(self._order)).encode() + b"\n")
        except OSError:  # it died, or does not read
            self._child.kill()
        channel.setblocking(False)

    def _renew(self) -> None:
        if self._lease is not None and (until := self._lease()) != self._leased_until:
            self._leased_until = until
            # The monotonic clock is one for all processes of a machine.
            self._command(f"lease {until:.3f}")

    def _command(self, word: str) -> None:
        with contextlib.suppress(OSError):
            self._child.channel.send(word.encode() + b"\n")

    def _enforce(self, now: float) -> bool:
        """Act on `stop` and the limits; True when the process does not even end when it is killed."""
        self._renew()
        if self._stop.is_set() and self._ended_for != "stopped":
            self._ended_for = "stopped"
            self._command("stop")
            self._kill_at = min(self._kill_at, now + STOP_GRACE_S)
        elif now >= self._soft_at and self._ended_for is None:
            self._ended_for = "timeout"
            self._command("timeout")
        if now >= self._kill_at:
            self._ended_for = self._ended_for or "timeout"
            self._child.kill()
        if now >= self._news_at:
            self._tell_progress(now)
        return now >= self._kill_at + UNKILLABLE_S

    def _receive(self) -> bool:
        """Take what the channel has; False when it has nothing (more)."""
        try:
            part = self._child.channel.recv(65536)
        except OSError:
            return False
        self._received += part
        *lines, self._received = self._received.split(b"\n")
        try:
            for line in lines:
                self._take(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError):
            logger.warning("crawl sent nonsense", extra={"fields": {"site": self._order.site_name}})
            self._child.kill()
        if len(self._received) > MESSAGE_BYTES:
            self._child.kill()
        return bool(part)

    def _take(self, message: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if "progress" in message:
            self._progress = CrawlProgress(**message["progress"])
            self._tell_progress(now)
        if "report" in message:
            self._report = report_of(message["report"])
            self._kill_at = min(self._kill_at, now + EXIT_GRACE_S)

    def _tell_progress(self, now: float) -> None:
        self._news_at = now + NEWS_EVERY_S
        if self._on_progress is not None:
            self._on_progress(self._progress)

    def _obituary(self, end: Exit) -> CrawlReport:
        """The report of a child that could not make one."""
        reason, words = cause_of_death(end, ended_for=self._ended_for)
        return CrawlReport(
            finish_reason=reason, ok=False, errors=1, first_error=words, cpu_s=end.cpu_s, **asdict(self._progress)
        )
