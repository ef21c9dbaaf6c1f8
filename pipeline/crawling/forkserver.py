"""The parent's side of the forkserver: starting it, asking it for children, and noticing that it died.

The process itself is `python -m spiders.child.forkserver`, found by name: a worker never imports what crawls.
"""

import contextlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import PipelineError
from pipeline.settings import get_settings

logger = logging.getLogger(__name__)

START_S: Final = 600.0
"""Loading everything takes about a second; on a busy machine that just booted it took more than a minute."""

FORK_S: Final = 10.0
"""A fork takes milliseconds; a forkserver that does not answer in this time is replaced."""

_SOURCE: Final = Path(__file__).resolve().parents[2]


class PreloadError(PipelineError, RuntimeError):
    """The forkserver could not load what crawls need; the message says why."""


class NoAnswerError(PipelineError, OSError):
    """The forkserver closed the line on which it was to say the number of a new process."""


class ForkRefusedError(PipelineError, RuntimeError):
    """The system allows no further process."""


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a process ended."""

    # None when nobody could tell, because the forkserver died first; negative for a signal.
    code: int | None
    cpu_s: float | None = None


class Child:
    """A forked process, which leads a process group of the same number."""

    def __init__(self, channel: socket.socket, status: int) -> None:
        self.channel = channel
        # Becomes readable when the process has ended, or the forkserver has.
        self.status = status
        self.pid = 0
        self.exit: Exit | None = None
        self._lines = b""

    def await_pid(self) -> None:
        """Wait until the process exists.

        Raises ForkRefusedError, NoAnswerError, and OSError when the forkserver does not answer.
        """
        poll = select.poll()
        poll.register(self.status, select.POLLIN)
        while b"\n" not in self._lines:
            if not poll.poll(FORK_S * 1000):
                raise OSError("the forkserver did not fork in time")
            part = os.read(self.status, 256)
            if not part:
                raise NoAnswerError("the forkserver did not fork")
            self._lines += part
        line, _, self._lines = self._lines.partition(b"\n")
        word, _, rest = line.decode().partition(" ")
        if word == "refused":
            raise ForkRefusedError(f"no process could be made for the crawl: {rest}")
        self.pid = int(rest)

    def read_status(self) -> None:
        """Take what the readable status pipe says; `exit` is set once the process is over."""
        part = os.read(self.status, 256)
        self._lines += part
        if b"\n" in self._lines:
            _, code, cpu_s = self._lines.split()
            self.exit = Exit(code=int(code), cpu_s=float(cpu_s))
        elif not part:
            # The kernel kills the children of a forkserver that died, where it can; what they forked is up to us.
            self.kill()
            self.exit = Exit(code=None)

    def kill(self) -> None:
        """Kill the whole group; harmless once it is gone."""
        if self.pid and self.exit is None:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill what is left and let go of the descriptors."""
        self.kill()
        self.channel.close()
        os.close(self.status)


class Nursed:
    """A forkserver that another process forked for us: what can be seen of it, and done with it, by its line to us."""

    def __init__(self, nursery: socket.socket, its: socket.socket, ours: socket.socket) -> None:
        """Have one forked that gets `its` end of the line. Raises OSError, also when nobody answers."""
        nursery.settimeout(FORK_S)
        socket.send_fds(nursery, [b"F"], [its.fileno()])
        answer = _read_line(nursery)
        if not answer:
            raise OSError("the process that forks it has ended")
        self.pid = int(answer)
        self._line = ours

    def poll(self) -> int | None:
        """Whether it has ended; its exit code is known to its parent alone."""
        return self._ends_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        code = self._ends_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(["forkserver"], timeout or 0.0)
        return code

    def _ends_within(self, seconds: float | None) -> int | None:
        if self._line.fileno() < 0:
            return 1
        poll = select.poll()
        # Nothing but a hang-up, which poll(2) tells of unasked.
        poll.register(self._line, 0)
        return 1 if poll.poll(None if seconds is None else seconds * 1000) else None

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class ForkServer:
    """One forkserver process, started when it is first needed and again when it died. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Who forks it; None: it is started by its command, and loads for itself what its parent has loaded, too.
        self.nursery: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | Nursed | None = None
        self._control: socket.socket | None = None
        self._owner = 0

    @property
    def pid(self) -> int | None:
        """The process's number while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start it unless it runs, and wait until it has loaded everything. Raises PreloadError."""
        with self._lock:
            self._ensure()

    def stop(self) -> None:
        """End it; children that still run are killed. Does nothing when it does not run."""
        with self._lock:
            self._discard(wait_s=2.0)

    def fork(self) -> Child:
        """A new child, which waits for its order.

        Raises ForkRefusedError, and PreloadError when the forkserver was lost and cannot be started again.
        """
        with self._lock:
            try:
                return self._ask(self._ensure())
            except OSError as error:  # it was killed, hangs, or could not take what was handed to it
                if isinstance(error, NoAnswerError) and self._lives():
                    raise ForkRefusedError("no process could be made for the crawl: too many open files") from error
                self._discard(wait_s=0)
                logger.warning("forkserver lost, starting it again")
            try:
                return self._ask(self._ensure())
            except OSError as error:
                self._discard(wait_s=0)
                raise PreloadError(f"the forkserver was started again and lost at once: {error}") from error

    def _ensure(self) -> socket.socket:
        if self._owner != os.getpid():
            # This process was forked from the one whose forkserver this is: leave that one alone.
            self._process = self._control = None
        if self._process is not None and self._process.poll() is not None:
            self._discard(wait_s=0)
        if self._control is None:
            self._start()
        assert self._control is not None
        return self._control

    def _start(self) -> None:
        ours, its = socket.socketpair()
        try:
            process = Nursed(self.nursery, its, ours) if self.nursery is not None else _by_command(its)
        except OSError:
            ours.close()
            raise
        finally:
            its.close()
        self._process, self._control, self._owner = process, ours, os.getpid()
        try:
            self._await_ready(process, ours)
        except BaseException:
            self._discard(wait_s=0)
            raise

    @staticmethod
    def _await_ready(process: subprocess.Popen[bytes] | Nursed, control: socket.socket) -> None:
        started = time.monotonic()
        control.settimeout(START_S)
        try:
            line = _read_line(control)
        except TimeoutError:
            raise PreloadError(f"the forkserver was not ready within {START_S:.0f} s") from None
        if not line:
            code = process.wait(FORK_S)
            raise PreloadError(f"the forkserver ended with exit code {code} before it was ready")
        answer = json.loads(line)
        if "error" in answer:
            raise PreloadError(f"what crawls need could not be loaded: {answer['error']}")
        fields = {"modules": answer["ready"]["modules"], "seconds": round(time.monotonic() - started, 2)}
        logger.info("forkserver ready", extra={"fields": fields})

    @staticmethod
    def _ask(control: socket.socket) -> Child:
        try:
            channel, its_channel = socket.socketpair()
            try:
                status, its_status = os.pipe()
            except OSError:
                channel.close()
                its_channel.close()
                raise
        except OSError as error:
            raise ForkRefusedError(f"no process could be made for the crawl: {error.strerror}") from error
        child = Child(channel, status)
        try:
            try:
                control.settimeout(FORK_S)
                socket.send_fds(control, [b"F"], [its_channel.fileno(), its_status])
            finally:
                its_channel.close()
                os.close(its_status)
            child.await_pid()
        except BaseException:
            child.close()
            raise
        return child

    def _lives(self) -> bool:
        """Whether the process still runs, a moment after it closed a line."""
        try:
            self._process is not None and self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            return True
        return False

    def _discard(self, *, wait_s: float) -> None:
        process, control = self._process, self._control
        self._process = self._control = None
        if control is not None:
            # It ends when it reads this; what it says by closing its own end is still to be seen.
            with contextlib.suppress(OSError):
                control.shutdown(socket.SHUT_WR)
        if process is not None:
            try:
                process.wait(wait_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if control is not None:
            control.close()


def _by_command(its: socket.socket) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join(filter(None, (str(_SOURCE), os.environ.get("PYTHONPATH"))))
    database = ["sqlite"] if get_settings().database.startswith("sqlite") else []
    return subprocess.Popen(
        [sys.executable, "-m", "spiders.child.forkserver", str(its.fileno()), *database],
        stdin=subprocess.DEVNULL,
        pass_fds=[its.fileno()],
        env={**os.environ, "PYTHONPATH": path},
        # Out of reach of a Ctrl-C or a SIGTERM to the worker's group: the worker closes the crawls itself.
        start_new_session=True,
    )


def _read_line(connection: socket.socket) -> bytes:
    """One line, or what there was of it when the other end closed."""
    line = b""
    while not line.endswith(b"\n"):
        part = connection.recv(4096)
        if not part:
            return b""
        line += part
    return line
