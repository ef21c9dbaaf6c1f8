"""Holds SQLite's only write lock until standard input ends: `python -m scripts.drill.hold_database FILE`."""

import sqlite3
import sys

PATIENCE_S = 60.0


def main() -> None:
    """Take the lock, say so, and keep it."""
    connection = sqlite3.connect(sys.argv[1], timeout=PATIENCE_S, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    sys.stdout.write("held\n")
    sys.stdout.flush()
    sys.stdin.read()
    connection.execute("ROLLBACK")


if __name__ == "__main__":
    main()
