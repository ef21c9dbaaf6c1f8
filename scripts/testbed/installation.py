"""The whole pipeline for a benchmark: boards, the Procfile's processes, a gateway, on servers that are nobody's."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from celery import Celery
from redis import Redis
from sqlalchemy import func, select, text

from pipeline.broker.publish import publish_many, queue_length
from pipeline.celery import CRAWL_QUEUE, FANOUT_QUEUE, NOTIFY_QUEUE, create_app, process_types
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.bench.database import vacuum
from scripts.bench.errors import BenchmarkError
from scripts.board.process import BoardProcess
from scripts.testbed import database as questions
from scripts.testbed.boards import boards, site_params
from scripts.testbed.database import Progress
from scripts.testbed.findings import gather
from scripts.testbed.population import SITES, Notice, Person
from scripts.testbed.servers import Servers, servers
from scripts.testbed.supervisor import Crew
from scripts.testbed.verdict import Pair, Verdict, judge
from storage import sites
from storage.models import Notification
from storage.session import Database

LOOK_S = 0.05
ASK_S = 1.0
"""How often the database is asked how far the product is."""
QUIET_ASKS = 3
"""Nothing is owed when so many answers in a row say so."""
PATIENCE_S = 200.0
"""After so long without any progress something hangs: leases and visibility timeouts of two minutes are by design."""


def process_names(notifiers: int) -> tuple[str, ...]:
    """The processes of an installation with so many notifiers, by the names that a crew knows them by."""
    more = tuple(f"notifier-{number}" for number in range(2, notifiers + 1))
    return ("crawler", "dispatcher", "notifier", *more, "beat")


class Installation:
    """A running pipeline. Use it from the main thread, and `look` often."""

    def __init__(
        self, on: Servers, opened: Mapping[str, BoardProcess], database: Database, crew: Crew, names: Sequence[str]
    ) -> None:
        self.on, self.database, self.crew, self.names = on, database, crew, names
        self._boards = opened
        self._redis = Redis.from_url(on.redis_url)
        settings = get_settings().model_copy(update={"redis_url": on.redis_url, "broker_url": on.redis_url})
        self._app: Celery = create_app(settings)
        self._unacknowledged = [f"unacked:{kind.name}" for kind in process_types(settings)]
        # What processes said that ended without being told to.
        self.surprises: list[str] = []

    def close(self) -> None:
        """Let go of Redis; the processes are the crew's."""
        self._app.close()
        self._redis.close()

    def look(self) -> None:
        """Wait a moment, and start again what ended by itself."""
        time.sleep(LOOK_S)
        self.surprises += self.crew.look()

    def add_post(self, notice: Notice) -> None:
        """Let a post appear on its board."""
        self._boards[notice.site].add_post(notice.title)

    def crawl(self, site: str) -> int:
        """Let a crawler crawl a site now, as `crawlpush crawl SITE --queue` does; returns the run."""
        with self.database.writing() as session:
            run_id = sites.queue_run(session, sites.by_name(session, site).id, trigger="manual", now=now())
        if run_id is None:
            raise BenchmarkError(f"{site} was being crawled when it was to be crawled")
        publish_many(self._app, "crawl_site", [(run_id,)])
        return run_id

    def run_task(self, name: str) -> None:
        """Send a message for a task of the upkeep, as beat does."""
        self._app.send_task(name)

    def progress(self) -> Progress:
        """How far the product is."""
        return questions.progress(self.database)

    def statuses(self) -> dict[str, int]:
        """How many notifications there are of each status."""
        with self.database.reading() as session:
            rows = session.execute(select(Notification.status, func.count()).group_by(Notification.status))
            return dict(rows.tuples().all())

    def queues(self) -> dict[str, int]:
        """How many messages wait in each queue, and how many are in the hands of workers."""
        lengths = {queue: queue_length(self._app, queue) for queue in (CRAWL_QUEUE, FANOUT_QUEUE, NOTIFY_QUEUE)}
        held = [self._redis.hlen(key) for key in self._unacknowledged]
        return {**lengths, "unacknowledged": sum(count for count in held if isinstance(count, int))}

    def redis_use(self) -> tuple[float, int]:
        """Megabytes that Redis uses, and its number of keys."""
        memory = self._redis.info("memory")
        size = self._redis.dbsize()
        used = memory["used_memory"] if isinstance(memory, dict) else 0
        return round(used / 2**20, 2), size if isinstance(size, int) else 0

    def database_mb(self) -> float:
        """Size of the database on its disk, with SQLite's log of what was written last."""
        if self.database.is_sqlite:
            files = self.on.data_folder.glob("crawlpush.db*")
            return round(sum(file.stat().st_size for file in files) / 2**20, 2)
        with self.database.reading() as session:
            size = session.scalar(text("SELECT pg_database_size(current_database())"))
        return round((size or 0) / 2**20, 2)

    def wait_for_baseline(self) -> None:
        """Wait until each board was crawled once, so that what appears from now on is new."""
        self.wait_until(lambda _: questions.crawled(self.database) == set(SITES), "the first crawl of each board")

    def wait_until_nothing_is_owed(self, posts: int, each: Callable[[], None] | None = None) -> None:
        """Wait until so many posts are stored and everybody has them; `each` is called meanwhile."""
        quiet = 0

        def settled(at: Progress) -> bool:
            nonlocal quiet
            quiet = quiet + 1 if at.is_settled(posts) else 0
            return quiet >= QUIET_ASKS

        self.wait_until(settled, "nothing to be owed", each, every_s=ASK_S)

    def wait_until(
        self,
        done: Callable[[Progress], bool],
        what: str,
        each: Callable[[], None] | None = None,
        *,
        every_s: float = ASK_S,
    ) -> None:
        """Wait until what is asked so often is true. Raises BenchmarkError, which says what hangs, without progress."""
        known: object = None
        asked_at = changed_at = time.monotonic()
        while True:
            if time.monotonic() >= asked_at:
                progress = self.progress()
                if done(progress):
                    return
                asked_at = time.monotonic() + every_s
                state = (progress, len(self.surprises))
                if state != known:
                    known, changed_at = state, time.monotonic()
                elif time.monotonic() > changed_at + PATIENCE_S:
                    raise BenchmarkError(self._what_hangs(what))
            self.look()
            if each is not None:
                each()

    def _what_hangs(self, what: str) -> str:
        at = self.progress()
        said = "\n".join(f"{name}: {self.crew.last_words(name)}" for name in self.names)
        return (
            f"nothing moved for {PATIENCE_S:g} s, and still was waited for {what}: {at.stored} posts stored, "
            f"{at.open_posts} of them not fanned out, notifications {self.statuses()}, messages {self.queues()}\n"
            f"ended by themselves: {self.crew.ended or 'none'}; the last words of each process:\n{said}"
        )

    def verdict(self, wanted: set[Pair], appeared: Sequence[Notice]) -> Verdict:
        """Stop the processes, and compare what the phones show with what they should."""
        self.crew.close()
        return judge(gather(self.on, self.database, expected=wanted, appeared=appeared, strays=0, in_flight=0))


@contextmanager
def installation(
    folder: Path,
    people: Sequence[Person],
    *,
    database: str,
    notifiers: int,
    schedule: str,
    keep: int,
    latency_ms: float,
    settings: Mapping[str, str],
) -> Iterator[Installation]:
    """Start everything in a folder, on "sqlite" or "postgres".

    The boards are crawled by `schedule`; the gateway answers after `latency_ms` and remembers `keep` notifications.
    `settings` are those that differ from what a deployment has; whoever sets them in the environment knows better.
    """
    names = process_names(notifiers)
    with (
        servers(folder, database, keep=keep) as on,
        boards() as opened,
        closing(Database(on.database_url, pool_size=2)) as asked,
    ):
        on.gateway.set_faults(latency_ms=latency_ms)
        questions.fill(asked, people, site_params(opened), schedule=schedule)
        if not asked.is_sqlite:
            vacuum(asked)
        crew = Crew(on, {**settings, **on.environment}, names)
        with closing(Installation(on, opened, asked, crew, names)) as installed:
            try:
                crew.start(*names)
                yield installed
            finally:
                crew.close()
