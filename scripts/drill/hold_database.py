"""Holds SQLite's only write lock until standard input ends: a server process whose only service is to hold it."""

import os
import sqlite3
import sys

from scripts.local.processes import ServerProcess

PATIENCE_S = 20.0


class HeldDatabase(ServerProcess):
    """The write lock of a database file, held from `start` to `stop` by a process that may be frozen with no other."""

    def __init__(self, file: str) -> None:
        super().__init__("scripts.drill.hold_database", [file])


def main(file: str, ready_fd: int) -> None:
    """Take the lock, say so, and keep it."""
    connection = sqlite3.connect(file, timeout=PATIENCE_S, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    os.write(ready_fd, b"{}\n")
    sys.stdin.read()
    connection.execute("ROLLBACK")


if __name__ == "__main__":
    # As ServerProcess gives them: FILE --until-stdin-closes --ready-fd N
    main(sys.argv[1], int(sys.argv[-1]))
