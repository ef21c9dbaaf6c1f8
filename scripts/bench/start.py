"""How long it takes until a command has said something, and until a worker works."""

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from scripts.local.process_output import LogFiles
from scripts.local.supervisor import Supervisor, procfile_commands, program_environment
from scripts.testbed.errors import InstallationError
from scripts.testbed.servers import Servers, servers
from scripts.testbed.workers import cpu_s

CLI = (sys.executable, "-m", "scripts.cli")
CODE: Mapping[str, Sequence[str]] = {
    "click": (sys.executable, "-c", "import click"),
    "orm": (sys.executable, "-c", "import sqlalchemy.orm"),
    "help": (*CLI, "--help"),
    "version": (*CLI, "--version"),
    "sites_list": (*CLI, "sites", "list"),
}
OF = {"help": "click", "version": "click", "sites_list": "orm"}
"""What each command is compared with: the least that it has to import."""
PROCESSES = ("crawler", "dispatcher", "notifier", "beat")
PATIENCE_S = 120.0


def measure_start(*, runs: int, database: str) -> dict[str, Any]:
    """Start each so many times in turns, and take medians; the machine should have nothing else to do.

    command_cpu_ms: CPU of a command from its start to its end, and of what it is compared with. of_click, of_orm: the
    ratios. ready_s: from the start of a process until it says that it is ready (sd_notify), and ready_cpu_s its CPU by
    then, its forkserver's left out; "together" is `start --together`, all of whose processes are ready then.
    """
    with (
        tempfile.TemporaryDirectory(prefix="crawlpush-bench-") as folder,
        servers(Path(folder), database, keep=10) as on,
    ):
        turns = [{name: _cpu_ms(command, on) for name, command in CODE.items()} for _ in range(runs)]
        commands = procfile_commands(PROCESSES) | {"together": "python -m scripts.cli start --together --no-demo"}
        ready = [{name: _ready(name, command, on) for name, command in commands.items()} for _ in range(runs)]
    cpu = {name: median(turn[name] for turn in turns) for name in CODE}
    return {
        "runs": runs,
        "database": database,
        "command_cpu_ms": {name: round(ms) for name, ms in cpu.items()},
        **{f"{name}_of_{base}": round(cpu[name] / cpu[base], 2) for name, base in OF.items()},
        "ready_s": {name: round(median(turn[name][0] for turn in ready), 2) for name in commands},
        "ready_cpu_s": {name: round(median(turn[name][1] for turn in ready), 2) for name in commands},
    }


def _cpu_ms(command: Sequence[str], on: Servers) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=on.environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _ready(name: str, command: str, on: Servers) -> tuple[float, float]:
    """Seconds and CPU seconds until it is ready."""
    address = f"crawlpush-bench-{os.getpid()}"
    supervisor = Supervisor(
        LogFiles(on.folder), program_environment({**on.environment, "NOTIFY_SOCKET": f"@{address}"})
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(f"\0{address}")
        told.settimeout(PATIENCE_S)
        began = time.monotonic()
        try:
            supervisor.start_command(name, command)
            told.recv(100)
            return time.monotonic() - began, cpu_s(supervisor.pids)
        except TimeoutError:
            said = LogFiles(on.folder).last_line(name)
            raise InstallationError(f"{name} was not ready within {PATIENCE_S:g} s: {said}") from None
        finally:
            supervisor.stop()
            supervisor.close()
