"""Fan-outs as a dispatcher does them, timed, and a PostgreSQL of a benchmark's own for them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from pipeline.broker.notify_room import NotifyRoom
from pipeline.fanout.slices import FanOuts, FanOutSettings, SliceEnd
from pipeline.resources import now
from scripts.bench.errors import BenchmarkError
from scripts.local.embedded_postgres import PostgresServer, find_postgres
from scripts.testbed.rows import add_post
from storage import sites
from storage.migrate import upgrade
from storage.session import Database

SLICE = 2_000
"""What FANOUT_SLICE is by default."""


class TimedFanOuts:
    """Fans new posts out. Nobody takes the messages, so the notify queue's length is not asked for."""

    def __init__(self, database: Database, publish: Callable[[Sequence[tuple[int, int]]], object]) -> None:
        """publish: what becomes of the messages, as (post id, user id)."""
        self._database = database
        self.matched = 0
        self._fan_outs = FanOuts(
            database,
            FanOutSettings(slice_users=SLICE, lease_s=600),
            room=NotifyRoom(SLICE, lambda: 0),
            publish=publish,
            on_matched=self._count,
        )
        with database.writing() as session:
            self._site_id = sites.add(session, name="bench", spider="listing", now=now()).id

    def seconds(self, title: str, body: str) -> float:
        """From the id of a new post to committed rows for everybody, their messages given to `publish`.

        `matched` is then how many people that were. No two posts may have the same title.
        """
        with self._database.writing() as session:
            post_id = add_post(session, self._site_id, title, body=body)
        self.matched = 0
        began = perf_counter()
        while self._fan_outs.next_slice(post_id) is not SliceEnd.DONE:
            pass
        return perf_counter() - began

    def _count(self, users: int) -> None:
        self.matched += users


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
