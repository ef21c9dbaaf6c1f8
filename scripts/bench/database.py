"""A PostgreSQL of a benchmark's own."""

from collections.abc import Iterator
from contextlib import contextmanager

from scripts.bench.errors import BenchmarkError
from scripts.local.embedded_postgres import PostgresServer, find_postgres
from storage.migrate import upgrade
from storage.session import Database

# As PostgreSQL is by default, so that a commit is one; only the memory is what a small server gives it.
OPTIONS = ("shared_buffers=512MB", "max_wal_size=4GB", "max_connections=20")


@contextmanager
def postgres() -> Iterator[Database]:
    """A migrated database with nothing in it, which goes with the block. Raises BenchmarkError without PostgreSQL."""
    programs = find_postgres()
    if programs is None:
        raise BenchmarkError("there is no PostgreSQL: install one, or the test requirements, which bring one")
    with PostgresServer(programs, OPTIONS) as server:
        url = server.url.render_as_string(hide_password=False)
        upgrade(url)
        database = Database(url)
        try:
            yield database
        finally:
            database.close()
