"""The forkserver: a process with one thread that has everything loaded, and forks a child for each crawl.

It is started by its parent's side as `python -m spiders.child.forkserver FD [sqlite]`, where FD is its end of a socket
pair and "sqlite" says that posts are stored in that, and not in PostgreSQL:

- it answers with one line of JSON, {"ready": ...} or {"error": ...};
- a byte with two descriptors (the crawl's channel, a pipe for its status) asks for a child. The pipe gets the line
  `pid N`, and when the child has ended `exit CODE CPU_SECONDS`, a negative code being a signal; or `refused WHY`
  where the system allows no further process;
- when the socket closes, the parent has ended: the children are killed and the forkserver ends.

Why not multiprocessing's: its children import the worker's main module again, which costs more than a crawl; it
swallows a preload that fails; and its children keep it alive after the worker was killed.
"""

import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from pipeline.basics import memory, prctl
from spiders.child import isolation, preload

_SERVE: Final = 1
_CHILD_EXITED: Final = 2


def main(descriptor: int, loaded: Mapping[str, object] | None = None, *, sqlite: bool = False) -> int:
    """Load everything, say so, and serve until the parent is gone; the exit code.

    loaded: what `preload.load` said in the process that this one was forked from. sqlite: see there.
    """
    # A SIGTERM to every process of a service must not take the crawls' parent away while it still closes them.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    prctl.set_name("forkserver")
    memory.one_arena()
    control = socket.socket(fileno=descriptor)
    try:
        loaded = preload.load(sqlite=sqlite) if loaded is None else loaded
    except BaseException as error:
        # First: on a full disk, which may be what is wrong, the log takes no traceback.
        _say(control, {"error": f"{type(error).__name__}: {error}"})
        with suppress(OSError):
            traceback.print_exc()
        return 1
    from spiders.child import project

    project.log_errors_only(project.load_project().errors)
    # What is alive now lives as long as this process; without it a child's collector touches, so copies, no page of it.
    gc.collect()
    gc.freeze()
    isolation.data_bytes()
    _say(control, {"ready": loaded})
    Forkserver(control).serve()
    return 0


def _say(control: socket.socket, message: dict[str, object]) -> None:
    with suppress(OSError):
        control.sendall(json.dumps(message).encode() + b"\n")


class Forkserver:
    """Forks on request, tells what became of each child, and clears up after it."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pid = os.getpid()
        self._status_pipes: dict[int, int] = {}
        self._wakeup_r, self._wakeup_w = os.pipe()
        os.set_blocking(self._wakeup_r, False)
        os.set_blocking(self._wakeup_w, False)
        self._adopts = prctl.adopt_orphans()

    def serve(self) -> None:
        """Serve until the other end of the socket is closed; then kill what still runs."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup_w)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ, _SERVE)
            selector.register(self._wakeup_r, selectors.EVENT_READ, _CHILD_EXITED)
            while True:
                events = {key.data for key, _ in selector.select()}
                if _CHILD_EXITED in events:
                    with suppress(BlockingIOError):
                        os.read(self._wakeup_r, 4096)
                    self._collect()
                if _SERVE in events and not self._take_request(selector):
                    break
        for pid in self._status_pipes:
            _kill_group(pid)
        if self._adopts:
            self._kill_orphans()

    def _take_request(self, selector: selectors.BaseSelector) -> bool:
        try:
            request, descriptors, _, _ = socket.recv_fds(self._control, 1, 2)
        except OSError:
            return False
        if not request:
            return False
        if len(descriptors) != 2:
            # There was no room for them: the parent sees its line closed, and the crawls that run go on.
            for descriptor in descriptors:
                os.close(descriptor)
            return True
        channel, status = descriptors
        try:
            pid = os.fork()
        except OSError as error:  # a limit on processes or memory: the crawls that run shall not suffer from it
            _tell(status, f"refused {error.strerror}\n")
            os.close(channel)
            os.close(status)
            return True
        if pid == 0:
            self._become_child(selector, channel, status)
        with suppress(OSError):  # it may have ended already
            os.setpgid(pid, pid)
        os.close(channel)
        self._status_pipes[pid] = status
        _tell(status, f"pid {pid}\n")
        return True

    def _become_child(self, selector: selectors.BaseSelector, channel: int, status: int) -> NoReturn:
        try:
            prctl.set_name("crawl")
            isolation.own_group()
            isolation.die_with(self._pid)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            selector.close()
            self._control.close()
            for descriptor in (status, self._wakeup_r, self._wakeup_w, *self._status_pipes.values()):
                os.close(descriptor)
            from spiders.child import run

            run.serve(socket.socket(fileno=channel))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)

    def _collect(self) -> None:
        """Report each child that ended, after killing what is left of its group."""
        for pid, code, cpu_s in _ended_children(kill_rest=self._kill_rest):
            status_pipe = self._status_pipes.pop(pid, None)
            if status_pipe is not None:
                _tell(status_pipe, f"exit {code} {cpu_s:.4f}\n")
                os.close(status_pipe)
        if self._adopts:
            self._kill_orphans()

    def _kill_rest(self, pid: int) -> None:
        if pid in self._status_pipes:
            _kill_group(pid)

    def _kill_orphans(self) -> None:
        """Kill what a child forked away into a session of its own: its parent ended, so now we are its parent."""
        for pid in _children():
            if pid not in self._status_pipes:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _ended_children(*, kill_rest: Callable[[int], None]) -> Iterator[tuple[int, int, float]]:
    """The number, exit code and CPU seconds of each child that ended.

    As long as a child is not reaped its number, which is its group's too, cannot become another process's: that is
    the moment to kill the group. Where one cannot look before reaping (macOS), it is done right after.
    """
    can_look = hasattr(os, "waitid")
    while True:
        which = -1
        try:
            if can_look:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is None:
                    return
                which = ended.si_pid
                kill_rest(which)
            pid, status, usage = os.wait4(which, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if not can_look:
            kill_rest(pid)
        yield pid, os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime


def _children() -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return []


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _tell(status: int, line: str) -> None:
    # A parent that gave this crawl up has closed the pipe.
    with suppress(OSError):
        os.write(status, line.encode())


if __name__ == "__main__":
    # Taking apart what was loaded would take longer than anybody wants to wait for.
    os._exit(main(int(sys.argv[1]), sqlite="sqlite" in sys.argv[2:]))
