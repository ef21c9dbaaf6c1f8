"""One process at a time for one folder."""

import fcntl
import os
from pathlib import Path
from typing import Self

from scripts.errors import CommandError


class FolderInUseError(CommandError):
    """Another process that is still alive holds the lock."""


class FolderLock:
    """An exclusive lock on a file, which the kernel releases when the process ends, however it ends.

    It is a lockf (record) lock, as flock would also be held by every forked child. So one process must not take
    the same lock twice: it would be given to it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, and write the process id into the file; raise FolderInUseError when it is taken."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 20).decode().strip()
            os.close(descriptor)
            raise FolderInUseError(f"{self._path.parent} is in use by process {holder or 'unknown'}.") from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; without effect when it is not held."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
