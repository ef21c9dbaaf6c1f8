"""Processes that are forked from one that has imported, once, what they all need: `crawlpush start --together`.

What was imported before the fork is in memory once, however many processes use it. The forkserver for crawls is forked
here too, whenever a crawler asks for one, because a crawler has threads and this process has none.
"""

import atexit
import gc
import importlib
import io
import math
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NoReturn, cast

from sqlalchemy.orm import configure_mappers

from pipeline import logs
from pipeline.basics import memory, prctl, readiness
from pipeline.settings import get_settings
from scripts.errors import CommandError
from scripts.local.shielded import end_with_parent
from scripts.local.signals import STOP_SIGNALS
from scripts.local.supervisor import ROOT, Process, Starter, wait_until

FORKSERVER = "forkserver"
SHARED: Mapping[str, Sequence[str]] = {
    "pipeline.worker.launch": (
        "celery.apps.worker",
        "celery.events.snapshot",
        "celery.worker.autoscale",
        "celery.worker.components",
        "celery.worker.consumer",
        "celery.worker.strategy",
        "kombu.transport.redis",
        "pipeline.alerts.watching",
        "pipeline.delivery.batch",
        "pipeline.scheduling.beat",
        "pipeline.worker.consumer",
        "pipeline.worker.pool",
        "pipeline.push.apns.channel",
        "pipeline.push.channels",
        "pipeline.push.fcm.channel",
        # What each of them imports when it is first used.
        "billiard.dummy",
        "billiard.pool",
        "celery.app.amqp",
        "celery.app.control",
        "celery.app.events",
        "celery.app.log",
        "celery.app.routes",
        "celery.events.state",
        "celery.worker.consumer.delayed_delivery",
        "encodings.idna",
        "google.auth.transport.requests",
        "google.oauth2.service_account",
        "httptools",
        "requests",
    ),
    "pipeline.web.server": (),
}
"""What a module's processes import sooner or later. What is missing here costs memory in each, and nothing else."""


class ForkError(CommandError):
    """Processes cannot be forked as things stand."""


def preload(commands: Collection[str]) -> Mapping[str, Callable[[], object]]:
    """Import what the processes of these commands need, and crawls, and keep it from the collector of garbage.

    Returns what does what a command would. The environment must be theirs by now. Raises ForkError, also when an import
    has begun a thread: a fork would leave it out, and take along whatever it holds.
    """
    from spiders.child import preload as crawls

    memory.one_arena()
    try:
        # First: once the APNs client has made its h2 importable, Twisted would take it.
        crawls.load(sqlite=get_settings().database.startswith("sqlite"))
    except Exception as error:
        raise ForkError(f"what crawls need could not be loaded: {type(error).__name__}: {error}") from error
    for module in {_words(command)[0] for command in commands}:
        for name in (module, *SHARED.get(module, ())):
            importlib.import_module(name)
    from pipeline.worker import launch

    app, _ = launch.load()
    app.finalize()
    configure_mappers()
    mains = {command: _main(*_words(command)) for command in commands}
    # Each that is forked would touch every logger there is, had it to set a level.
    logs.configure(get_settings())
    if (count := _threads()) > 1:
        raise ForkError(f"{count - 1} threads run where processes are to be forked")
    gc.collect()
    memory.fill_gaps()
    memory.forget_lookups()
    gc.freeze()
    memory.forget_code()
    return mains


def _threads() -> int:
    with suppress(OSError):
        return sum(1 for _ in Path("/proc/self/task").iterdir())
    return 1


def _words(command: str) -> tuple[str, Sequence[str]]:
    """Module and arguments of `python -m MODULE ARGUMENTS`, the form of all that can be forked."""
    _, _, module, *arguments = shlex.split(command)
    return module, arguments


def _main(module: str, arguments: Sequence[str]) -> Callable[[], object]:
    loaded = importlib.import_module(module)
    if hasattr(loaded, "parsed"):
        return cast("Callable[[], object]", loaded.parsed(arguments))
    return cast("Callable[[], object]", loaded.main)


class _Forked:
    """A forked process, as subprocess.Popen would have it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        wait_until(lambda: self.poll() is not None, math.inf if timeout is None else timeout)
        if self._code is None:
            raise subprocess.TimeoutExpired(["fork"], timeout or 0.0)
        return self._code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


class Forks(Starter):
    """Forks instead of starting commands. Use it from the main thread of a process without others, after `preload`."""

    def __init__(self, mains: Mapping[str, Callable[[], object]]) -> None:
        """mains: as `preload` returns it."""
        self._mains = mains
        self._lines, self._line = os.pipe()
        os.set_blocking(self._lines, False)
        # Who asks for forkservers: our end for each process that might.
        self._nurseries: dict[str, socket.socket] = {}
        self._forkservers: list[Process] = []
        # Who has said that it is ready.
        self.ready: set[str] = set()

    def start(self, name: str, command: str, *, output: IO[bytes], environment: Mapping[str, str]) -> Process:
        """Fork a process that does what the command would; see Starter."""
        module, arguments = _words(command)
        ours, its = socket.socketpair()
        if name in self._nurseries:
            self._nurseries.pop(name).close()
        # Not by a flag of its reading, which Python's recv_fds() takes and forgets.
        ours.setblocking(False)
        self._nurseries[name] = ours
        self.ready.discard(name)

        def main() -> None:
            from pipeline.crawling import child

            os.environ.clear()
            os.environ.update(environment)
            os.chdir(ROOT)
            child.forkserver.nursery = its
            readiness.tell_ready(lambda: os.write(self._line, f"{name}\n".encode()))
            sys.argv = [module, *arguments]
            self._mains[command]()

        with its:
            return _fork(name, main, output=output.fileno(), keep=(its.fileno(), self._line))

    def look(self) -> None:
        """Fork the forkservers that crawlers ask for, and note who is ready."""
        with suppress(BlockingIOError):
            self.ready |= set(os.read(self._lines, 4096).decode().split())
        self._forkservers = [each for each in self._forkservers if each.poll() is None]
        for nursery in self._nurseries.values():
            with suppress(OSError):
                _, descriptors, _, _ = socket.recv_fds(nursery, 1, 1)
                for line in descriptors:
                    try:
                        self._forkservers.append(forked := _fork_forkserver(line))
                        nursery.sendall(f"{forked.pid}\n".encode())
                    finally:
                        os.close(line)

    def close(self) -> None:
        """Kill the forkservers that are left."""
        for each in self._forkservers:
            each.kill()
            each.wait()
        for nursery in self._nurseries.values():
            nursery.close()
        for descriptor in (self._lines, self._line):
            os.close(descriptor)


def _fork_forkserver(line: int) -> Process:
    def main() -> None:
        from spiders.child import forkserver

        os._exit(forkserver.main(line, {"modules": len(sys.modules)}))

    return _fork(FORKSERVER, main, output=2, keep=(line,))


def _fork(name: str, main: Callable[[], object], *, output: int, keep: Sequence[int]) -> Process:
    """Fork; the child keeps nothing of this process but what it imported, its output and these descriptors."""
    parent = os.getpid()

    def child() -> None:
        # Ours: it concerns nothing of the child's.
        atexit._clear()
        os.setsid()
        for number in (*STOP_SIGNALS, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        end_with_parent(parent, signal.SIGTERM)
        prctl.set_name(name)
        sys.unraisablehook = sys.__unraisablehook__
        os.dup2(output, 1)
        os.dup2(output, 2)
        _close_others(keep)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(line_buffering=True)
        main()

    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    return _Forked(pid) if pid else _end_with(child)


def _end_with(main: Callable[[], object]) -> NoReturn:
    """Do this and end as Python does, but for what stands further up on the stack, which is the parent's."""
    code = 1
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            vars(threading)["_shutdown"]()
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _close_others(keep: Sequence[int]) -> None:
    first = 3
    for kept in sorted(keep):
        os.closerange(first, kept)
        first = kept + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
