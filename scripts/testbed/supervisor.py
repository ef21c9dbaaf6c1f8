"""The processes of an installation, started again when they end, as a supervisor does; and the crawls that they run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from scripts.local.procfile import procfile_commands
from scripts.testbed.servers import ROOT, Servers, spawn

AGAIN_S = 1.0
"""What ended by itself is started again after so long."""
GRACE_S = 30.0
"""From SIGTERM to SIGKILL, as Heroku has it."""
STOPPED_S = 0.02
"""Within this time a SIGSTOP has reached every thread."""


def commands(names: Sequence[str]) -> dict[str, str]:
    """The Procfile's commands of processes; of "notifier-2" and the like, with a name of their own."""
    kinds = {name: name.partition("-")[0] for name in names}
    known = procfile_commands(ROOT / "Procfile", tuple(dict.fromkeys(kinds.values())))
    return {name: known[kind].replace(f"{kind}@", f"{name}@") for name, kind in kinds.items()}


class Crew:
    """Processes by name. Use it from the main thread; `look` is called often."""

    def __init__(self, on: Servers, environment: Mapping[str, str], names: Sequence[str]) -> None:
        """names: those that are started again; the first of a kind is called as in the Procfile."""
        self._folder = on.folder
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        self._environment = {**environment, "PATH": path, "PYTHONUNBUFFERED": "1"}
        self._commands = commands(names)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._start_at: dict[str, float] = {}
        self._kill_at: dict[str, float] = {}
        self._wait_s: dict[str, float] = {}
        # How often each ended without being told to.
        self.ended: dict[str, int] = {}
        # How many had to be killed because they did not end when told to.
        self.late = 0

    def start(self, *names: str) -> None:
        """Start processes of the Procfile, or another one of a kind: "beat-2"."""
        for name in names:
            kind = name.partition("-")[0]
            command = self._commands.get(name) or self._commands[kind]
            words = ["/bin/sh", "-c", f"exec {command}"]
            self._running[name] = spawn(words, self._environment, self._folder / f"{name}.log")

    def look(self) -> list[str]:
        """Notice who ended, kill who does not end, and start who is due; returns who ended by itself, and its words."""
        now = time.monotonic()
        surprises = []
        for name, process in list(self._running.items()):
            if process.poll() is not None:
                del self._running[name]
                self._kill_at.pop(name, None)
                wait_s = self._wait_s.pop(name, None)
                if wait_s is None:
                    self.ended[name] = self.ended.get(name, 0) + 1
                    surprises.append(f"{name} ended with code {process.returncode}: {self.last_words(name)}")
                if name in self._commands:
                    self._start_at[name] = now + (AGAIN_S if wait_s is None else wait_s)
            elif now > self._kill_at.get(name, now):
                self.late += 1
                process.kill()
        for name, at in list(self._start_at.items()):
            if now >= at:
                del self._start_at[name]
                self.start(name)
        return surprises

    def last_words(self, name: str) -> str:
        """The last line that a process wrote."""
        log = (self._folder / f"{name}.log").read_text(errors="replace")
        return next((line for line in reversed(log.splitlines()) if line.strip()), "it said nothing")

    def pid(self, name: str) -> int | None:
        """The process id of a process that runs and was not told to end."""
        process = self._running.get(name)
        return process.pid if process is not None and process.poll() is None and name not in self._wait_s else None

    def kill(self, name: str, wait_s: float) -> None:
        """SIGKILL, as the kernel does when memory runs out; it is started again `wait_s` later."""
        self._wait_s[name] = wait_s
        self._running[name].kill()
        self._running[name].wait()

    def terminate(self, name: str, wait_s: float = 0.0) -> None:
        """SIGTERM to its whole group, twice, as honcho and Heroku may send it; started again after it has ended."""
        self._wait_s[name] = wait_s
        self._kill_at[name] = time.monotonic() + GRACE_S
        for _ in range(2):
            with suppress(ProcessLookupError):
                os.killpg(self._running[name].pid, signal.SIGTERM)

    @contextmanager
    def frozen(self, names: Sequence[str]) -> Iterator[None]:
        """Nothing happens in these processes while the block runs."""
        pids = [pid for pid in map(self.pid, names) if pid is not None]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(STOPPED_S)
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @property
    def pids(self) -> list[int]:
        """Of all that run."""
        return [process.pid for process in self._running.values() if process.poll() is None]

    def close(self) -> None:
        """Ask all to end, and kill what does not."""
        self._start_at.clear()
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        for process in self._running.values():
            try:
                process.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._running.clear()


class Crawls:
    """The crawl processes, found where the kernel lists a process's children (Linux)."""

    def __init__(self) -> None:
        # Forkserver -> the crawls that were seen below it.
        self._seen: dict[int, set[int]] = {}
        self._strays: set[int] = set()

    def look(self, crawler: int | None) -> None:
        """Note the crawls that run now, and those of a crawler that is gone beside a new one's."""
        for forkserver in children(crawler) if crawler is not None else ():
            self._seen.setdefault(forkserver, set())
        running: dict[int, set[int]] = {}
        for forkserver, crawls in list(self._seen.items()):
            crawls |= children(forkserver)
            running[forkserver] = {pid for pid in crawls if _is_crawl(pid)}
            self._seen[forkserver] = set(running[forkserver])
            if not running[forkserver] and not _is_crawl(forkserver):
                del self._seen[forkserver]
        living = [forkserver for forkserver, crawls in running.items() if crawls]
        # The forkserver that was found last is the crawler's own; what the others still have is of its predecessors.
        for forkserver in living[:-1]:
            self._strays |= running[forkserver]

    @property
    def strays(self) -> int:
        """How many crawls ran beside those of a later crawler."""
        return len(self._strays)

    def one(self, crawler: int | None) -> int | None:
        """A crawl of this crawler, None when there is none at this moment."""
        return next((pid for fork in children(crawler) for pid in sorted(children(fork))), None) if crawler else None


def children(pid: int) -> set[int]:
    """The children of a process, whichever of its threads made them; none where the kernel does not tell."""
    found: set[int] = set()
    with suppress(OSError):
        for listed in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                found |= {int(word) for word in listed.read_text().split()}
    return found


def _is_crawl(pid: int) -> bool:
    """Whether a process is a forkserver or a crawl; one that has ended and waits to be reaped is not."""
    try:
        return b"spiders.child.forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
