"""The whole pipeline as a deployment has it: the Procfile's processes, boards, a gateway, on servers of its own."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from redis import Redis
from sqlalchemy import func, select, text

from pipeline.broker.publish import publish_many, queue_length
from pipeline.celery import CRAWL_QUEUE, FANOUT_QUEUE, NOTIFY_QUEUE, create_app, process_types
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.board.process import BoardProcess
from scripts.local.process_output import LogFiles
from scripts.local.proxy import Proxy
from scripts.local.supervisor import LOOK_S, Supervisor, procfile_commands, program_environment
from scripts.testbed import database as questions
from scripts.testbed.database import Progress
from scripts.testbed.errors import InstallationError
from scripts.testbed.population import SITES, Notice, Person
from scripts.testbed.servers import Servers, servers
from storage import sites
from storage.models import Notification
from storage.session import Database

ASK_S = 1.0
"""How often the database is asked how far the product is."""
QUIET_ASKS = 3
"""Nothing is owed when so many answers in a row say so."""
PATIENCE_S = 200.0
"""After so long without any progress something hangs: leases and visibility timeouts of two minutes are by design."""

PROXIED = {"redis": "REDIS_URL", "database": "DATABASE_URL"}


def process_names(notifiers: int) -> tuple[str, ...]:
    """The processes of an installation with so many notifiers, by the names that its supervisor knows them by."""
    more = tuple(f"notifier-{number}" for number in range(2, notifiers + 1))
    return ("crawler", "dispatcher", "notifier", *more, "beat")


class Installation:
    """A running pipeline. Use it from the main thread, and `look` often."""

    def __init__(
        self,
        on: Servers,
        opened: Mapping[str, BoardProcess],
        database: Database,
        supervisor: Supervisor,
        names: Sequence[str],
        proxies: Mapping[str, Proxy],
    ) -> None:
        """proxies: what the processes reach "redis" and "database" through; none: they reach them directly."""
        self.on, self.database, self.supervisor, self.names = on, database, supervisor, names
        self.proxies = proxies
        self._logs = LogFiles(on.folder)
        self._boards = opened
        # The ids that boards gave to posts, by their numbers, and the titles of those that were edited.
        self._ids: dict[int, int] = {}
        self._edited: dict[int, str] = {}
        self._redis = Redis.from_url(on.redis_url)
        settings = get_settings().model_copy(update={"redis_url": on.redis_url, "broker_url": on.redis_url})
        self._app: Celery = create_app(settings)
        self._unacknowledged = [f"unacked:{kind.name}" for kind in process_types(settings)]

    def close(self) -> None:
        """Let go of Redis; the processes are the supervisor's."""
        self._app.close()
        self._redis.close()

    def look(self) -> list[str]:
        """Wait a moment, and start again what ended; returns a sentence for each process that did so by itself."""
        time.sleep(LOOK_S)
        return [
            f"{ended.name} ended with code {ended.code}: {self._logs.last_line(ended.name)}"
            for ended in self.supervisor.look()
        ]

    def add_post(self, notice: Notice) -> None:
        """Let a post appear on its board."""
        self._ids[notice.number] = self._boards[notice.site].add_post(notice.title)["id"]

    def edit_post(self, notice: Notice) -> None:
        """Give a post that appeared the title that it has now."""
        self._boards[notice.site].edit_post(self._ids[notice.number], notice.title)
        self._edited[notice.number] = notice.title

    def set_new_ids(self, site: str, new: bool) -> None:
        """Whether the posts of a board have other ids at each crawl."""
        self._boards[site].set_new_ids(new)

    def crawl(self, site: str) -> int:
        """Let a crawler crawl a site now, as `crawlpush crawl SITE --queue` does; returns the run."""
        with self.database.writing() as session:
            run_id = sites.queue_run(session, sites.by_name(session, site).id, trigger="manual", now=now())
        if run_id is None:
            raise InstallationError(f"{site} was being crawled when it was to be crawled")
        publish_many(self._app, "crawl_site", [(run_id,)])
        return run_id

    def run_task(self, name: str) -> None:
        """Send a message for a task of the upkeep, as beat does."""
        self._app.send_task(name)

    def progress(self) -> Progress:
        """How far the product is."""
        return questions.progress(self.database, edited=self._edited.values())

    def statuses(self) -> dict[str, int]:
        """How many notifications there are of each status."""
        with self.database.reading() as session:
            rows = session.execute(select(Notification.status, func.count()).group_by(Notification.status))
            return dict(rows.all())

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

    def wait_for_baseline(self, each: Callable[[], object] | None = None) -> None:
        """Wait until each board was crawled once, so that what appears from now on is new."""
        self.wait_until(lambda _: questions.crawled(self.database) == set(SITES), "the first crawl of each board", each)

    def wait_until_nothing_is_owed(
        self, posts: int, each: Callable[[], object] | None = None, *, patience_s: float | None = None
    ) -> None:
        """Wait until so many posts are stored and everybody has them, as `wait_until` does."""
        quiet = 0

        def settled(at: Progress) -> bool:
            nonlocal quiet
            quiet = quiet + 1 if at.is_settled(posts) else 0
            return quiet >= QUIET_ASKS

        self.wait_until(settled, "nothing to be owed", each, patience_s=patience_s)

    def wait_until(
        self,
        done: Callable[[Progress], bool],
        what: str,
        each: Callable[[], object] | None = None,
        *,
        every_s: float | None = None,
        patience_s: float | None = None,
    ) -> None:
        """Ask every second until something is true; `each` (by default `look`) is called meanwhile.

        Raises InstallationError, which says what hangs, after `patience_s` without progress.
        """
        known: Progress | None = None
        asked_at = changed_at = time.monotonic()
        while True:
            if time.monotonic() >= asked_at:
                progress = self.progress()
                if done(progress):
                    return
                asked_at = time.monotonic() + (ASK_S if every_s is None else every_s)
                if progress != known:
                    known, changed_at = progress, time.monotonic()
                elif time.monotonic() > changed_at + (PATIENCE_S if patience_s is None else patience_s):
                    raise InstallationError(self._what_hangs(what, time.monotonic() - changed_at))
            (each or self.look)()

    def _what_hangs(self, what: str, seconds: float) -> str:
        at = self.progress()
        said = "\n".join(f"{name}: {self._logs.last_line(name)}" for name in self.names)
        return (
            f"nothing moved for {seconds:.0f} s, and still was waited for {what}: {at.stored} posts stored, "
            f"{at.open_posts} of them not fanned out, {at.open_edits} edits open, "
            f"notifications {self.statuses()}, messages {self.queues()}\n"
            f"ended by themselves: {dict(self.supervisor.exits) or 'none'}; the last line of each process:\n{said}"
        )


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
    more: Sequence[str] = (),
    proxied: bool = False,
    minutes: float = 1,
    commands: Mapping[str, str] | None = None,
) -> Iterator[Installation]:
    """Start everything in a folder, on "sqlite" or "postgres"; `more`: processes besides the usual ones.

    The boards are crawled by `schedule`; the gateway answers after `latency_ms` and remembers `keep` notifications.
    `settings` are those that differ from a deployment's; one that is set in the environment goes before them.
    minutes: float = 1,
    commands: what to start instead of the Procfile's processes.
    proxied: the processes reach the servers through proxies, which can be told to swallow what comes.
    """
    started = procfile_commands((*process_names(notifiers), *more)) if commands is None else commands
    names = tuple(started)
    with (
        servers(folder, database, keep=keep) as on,
        boards() as opened,
        closing(Database(on.database_url, pool_size=2)) as asked,
        _proxies(on.environment if proxied else {}) as (proxies, addresses),
    ):
        on.gateway.set_faults(latency_ms=latency_ms)
        questions.fill(asked, people, site_params(opened), schedule=schedule, minutes=minutes)
        if not asked.is_sqlite:
            questions.vacuum(asked)
        supervisor = Supervisor(LogFiles(folder), program_environment({**settings, **on.environment, **addresses}))
        with closing(Installation(on, opened, asked, supervisor, names, proxies)) as installed:
            try:
                for name, command in started.items():
                    supervisor.start_command(name, command, restart=True)
                yield installed
            finally:
                supervisor.stop()


@contextmanager
def _proxies(environment: Mapping[str, str]) -> Iterator[tuple[dict[str, Proxy], dict[str, str]]]:
    """A proxy before each server that listens, and the settings that lead through them."""
    proxies: dict[str, Proxy] = {}
    addresses: dict[str, str] = {}
    with ExitStack() as stack:
        for name, setting in PROXIED.items():
            url = environment.get(setting, "")
            if port := urlsplit(url).port:
                proxies[name] = stack.enter_context(Proxy(port))
                addresses[setting] = url.replace(f":{port}/", f":{proxies[name].port}/")
        yield proxies, addresses


@contextmanager
def boards() -> Iterator[dict[str, BoardProcess]]:
    """A board for each of SITES, on which only those posts appear that somebody adds."""
    with ExitStack() as stack:
        yield {site: stack.enter_context(BoardProcess(every=0)) for site in SITES}


def site_params(opened: Mapping[str, BoardProcess]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Spider and parameters of each board; on hosts of different names, so that they are crawled side by side."""
    listing = {**opened["board"].listing_params(), "next": "a.next", "max_pages": 3}
    listing.pop("timezone")
    return {
        "board": ("listing", listing),
        "feed": ("feed", {"url": opened["feed"].feed_url.replace("127.0.0.1", "localhost")}),
    }
