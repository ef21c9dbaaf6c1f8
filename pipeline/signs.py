"""Signs of life: each process says every few seconds, in a file of its own, that it lives; a health check reads them.

Asking a worker over the broker costs whoever asks a second of CPU, and a file hundredths of it: so nothing but the
standard library and the place of the data folder is loaded here.
"""

import json
import logging
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pipeline.basics.durations import rounded_duration
from pipeline.basics.place import place

logger = logging.getLogger(__name__)

EVERY_S: Final = 5.0
STALE_AFTER_S: Final = 60.0
"""A process that is well gives twelve signs in this time; a machine that is only busy does not stop it for so long."""
FORGOTTEN_AFTER_S: Final = 3_600.0
FOLDER: Final = "alive"
_SUFFIX: Final = ".json"


@dataclass(frozen=True, kw_only=True)
class Sign:
    """What a process last said of itself."""

    # A worker's node, such as crawler@host; or beat@host.
    name: str
    pid: int
    # Seconds on the clock that nobody sets, which counts since the boot of `place`.
    at: float
    place: str
    # What it waits for, such as "its broker"; empty: nothing.
    waits_for: str = ""


class Signs:
    """The file of this process. It is gone when the process ended in peace."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self._name = name
        self._path = data_dir / FOLDER / f"{name.replace('/', '_')}{_SUFFIX}"
        self._is_written = True

    def give(self, waits_for: str = "") -> None:
        """Say that this process lives. Where that cannot be written, it is told once: no work waits for it."""
        sign = Sign(name=self._name, pid=os.getpid(), at=time.monotonic(), place=place(), waits_for=waits_for)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = self._path.with_suffix(f".{sign.pid}")
            part.write_text(json.dumps(asdict(sign)), encoding="utf-8")
            part.replace(self._path)
            self._is_written = True
        except OSError as error:
            if self._is_written:
                logger.warning("no sign of life can be written", extra={"fields": {"error": str(error)}})
            self._is_written = False

    def end(self) -> None:
        """Be gone, in peace."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def signs(data_dir: Path) -> list[Sign]:
    """What all processes of this data folder last said, by name. Raises OSError where it may not be read."""
    found = []
    folder = data_dir / FOLDER
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        # One that ended meanwhile, or somebody's own file.
        with suppress(FileNotFoundError, ValueError, TypeError):
            if path.suffix == _SUFFIX:
                found.append(Sign(**json.loads(path.read_text(encoding="utf-8"))))
    return found


def forget_old(data_dir: Path, *, now: float) -> None:
    """Remove the files of processes that were killed long ago, or before the machine was started."""
    with suppress(OSError):
        for path in (data_dir / FOLDER).iterdir():
            if not 0 <= now - path.stat().st_mtime < FORGOTTEN_AFTER_S:
                path.unlink(missing_ok=True)


def chosen(found: Iterable[Sign], name: str | None) -> list[Sign]:
    """The signs of a process by its name, or by the part before the "@"; None: all. Pure."""
    return [sign for sign in found if name is None or name in {sign.name, sign.name.partition("@")[0]}]


def verdict(sign: Sign, *, now: float, here: str, is_alive: bool) -> tuple[bool, str]:
    """Whether a process is well, and the sentence for it. Pure.

    now: seconds on the clock of `here`, the place from which it is seen; is_alive: whether there is such a process. A
    process that waits for its broker is well: to start it again would bring nobody nearer.
    """
    age = now - sign.at
    if sign.place != here:
        return False, f"{sign.name} ran on another machine or in another container, or before this one was started"
    if not is_alive:
        return False, f"{sign.name} is gone: its process {sign.pid} ended without a word"
    if not 0 <= age < STALE_AFTER_S:
        return False, f"{sign.name} has been silent for {rounded_duration(age)}: it hangs, or is out of memory or CPU"
    waits = f", and waits for {sign.waits_for}" if sign.waits_for else ""
    return True, f"{sign.name} lives: it said so {age:.0f} s ago{waits}"


def is_alive(pid: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Somebody else's.
        return True
    return True
