"""An installation of crawlpush as its user has it: the Procfile's processes, a board, and a push gateway."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis

from pipeline.celery import create_app
from pipeline.fanout.matcher import parse_phrase
from pipeline.settings import get_settings
from scripts.board.process import BoardProcess
from scripts.gateway.process import GatewayProcess, gateway_process
from scripts.local.embedded_redis import EmbeddedRedis
from scripts.local.process_output import LogFiles
from scripts.local.supervisor import ROOT, Supervisor, program_environment, wait_until
from storage import subscriptions, users
from storage.session import Database
from storage.subscriptions import KeywordText

PROCESSES = ("crawler", "dispatcher", "notifier", "beat")
STOP_S = 60.0
"""A busy machine's time. That a stop takes no longer than Heroku waits is the matter of one test."""


class Installation:
    """Starts, kills and stops processes, and runs commands, all with one configuration."""

    def __init__(
        self, folder: Path, database_url: str, redis: EmbeddedRedis, gateway: GatewayProcess, board: BoardProcess
    ) -> None:
        self.folder = folder
        self.redis = redis
        self.gateway = gateway
        self.board = board
        self.database = Database(database_url)
        environment = {
            **os.environ,
            **gateway.environment(),
            "ENV_FILE": "",
            "DATA_DIR": str(folder / "data"),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis.url,
            "TICK_S": "1",
            "SWEEP_S": "2",
            "CRAWL_DELAY_S": "0",
        }
        self._logs = LogFiles(folder)
        self._supervisor = Supervisor(self._logs, program_environment(environment))

    @property
    def environment(self) -> dict[str, str]:
        """What the next process gets; it may be changed."""
        return self._supervisor.environment

    @environment.setter
    def environment(self, environment: dict[str, str]) -> None:
        self._supervisor.environment = environment

    def start(self, *names: str) -> None:
        """Start processes of the Procfile, each in a session of its own."""
        self._supervisor.start(*(names or PROCESSES))

    def start_command(self, name: str, command: str) -> None:
        """Start a process of another command than the Procfile's."""
        self._supervisor.start_command(name, command)

    def wait_until(self, condition: Callable[[], object], what: str, *, seconds: float = 300.0) -> None:
        """Wait for a condition; fail with `what`, and what the processes said, when it does not come true."""
        assert wait_until(condition, seconds), f"not within {seconds:g} s: {what}\n{self._said()}"

    def _said(self) -> str:
        return "\n".join(
            f"--- {log.stem}\n{log.read_text(errors='replace')[-2000:]}" for log in self.folder.glob("*.log")
        )

    def wait_until_ready(self) -> None:
        """Wait until each worker answers on its queue: before that, a signal would just end it."""
        self.wait_until_ready_on(*create_app(get_settings()).amqp.queues)

    def wait_until_ready_on(self, *queues: str) -> None:
        """Wait until somebody answers on each of the given queues."""
        app = create_app(get_settings())
        app.conf.broker_url = self.redis.url
        with redis.Redis.from_url(self.redis.url) as client:
            for queue in queues:
                app.send_task("debug_task", (queue,), queue=queue)
                self.wait_until(lambda key=f"crawlpush:debug:{queue}": client.exists(key), f"a worker on {queue}")

    def log(self, name: str) -> Path:
        """Where a process' output goes."""
        return self._logs.path(name)

    def pid(self, name: str) -> int:
        """The process id of a running process."""
        pid = self._supervisor.pid(name)
        assert pid is not None
        return pid

    def ended(self) -> list[str]:
        """The processes that ended without being told to."""
        return [ended.name for ended in self._supervisor.look()]

    def kill(self, name: str) -> None:
        """SIGKILL, as the kernel does when memory runs out."""
        self._supervisor.kill(name)

    def terminate(self, *names: str) -> dict[str, int]:
        """SIGTERM to every process of each group at once, twice, as honcho and Heroku may send it; the exit codes."""
        codes = self._supervisor.stop(*names, grace_s=STOP_S)
        assert not self._supervisor.late
        return codes

    def close(self) -> None:
        """End whatever still runs."""
        self._supervisor.close()
        self.database.close()

    def command(self, *arguments: str, code: int | None = 0) -> str:
        """Run `crawlpush` and return what it printed, standard error included. code: None for any."""
        done = subprocess.run(
            [sys.executable, "-c", "from scripts.cli import main; main(prog_name='crawlpush')", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert code in (None, done.returncode), f"{arguments} exited with {done.returncode}: {printed}"
        return printed

    def listed(self, *arguments: str) -> Any:
        """Run a command with --json and return what it said."""
        return json.loads(self.command(*arguments, "--json"))

    def add_board(self, name: str = "board", *options: str) -> None:
        """Watch the loopback board."""
        params = self.board.listing_params()
        url, zone = params.pop("url"), params.pop("timezone", "UTC")
        pairs = [f"--param={key}={value}" for key, value in params.items()]
        self.command(
            *("sites", "add", name, "--spider", "listing", "--url", url, "--timezone", zone, "--allow-private"),
            *("--no-check", *pairs, *options),
        )

    def add_user(self, name: str, phrase: str, *platforms: str) -> None:
        """A user with a phrase and one device of each platform."""
        now = datetime.now(UTC)
        found = parse_phrase(phrase)
        keyword = KeywordText(text=found.text, kind=found.kind)
        with self.database.writing() as session:
            user = users.add(session, name, timezone="UTC", now=now)
            subscriptions.add(session, user.id, keyword=keyword, site_id=None, limit=100, now=now)
            for platform in platforms:
                token = token_of(name, platform)
                users.register_device(session, user.id, platform=platform, token=token, environment=None, now=now)

    def shown(self) -> dict[tuple[str, str], int]:
        """What the phones show: (token, title) -> how many notifications of that title stand there."""
        shown: dict[tuple[str, str], int] = {}
        for phone in self.gateway.phones():
            for notification in phone["shown"]:
                key = (phone["token"], notification["title"])
                shown[key] = shown.get(key, 0) + 1
        return shown

    def sends(self) -> int:
        """How many messages the gateway accepted, replacements included."""
        return len(self.gateway.received())

    def logged(self, name: str, text: str) -> int:
        """How often a process said something."""
        return self._logs.text(name).count(text)


def token_of(user: str, platform: str) -> str:
    """A token in the shape of the platform's."""
    return (user.encode().hex() * 32)[:64] if platform == "apns" else f"{platform}-token-of-{user}"


@contextmanager
def installed(folder: Path, database_url: str, *, posts: Sequence[str] = ()) -> Iterator[Installation]:
    """An installation with nothing in it yet, and a board that shows `posts` and gains none by itself."""
    with (
        EmbeddedRedis(folder / "redis", keep_address=True) as redis,
        gateway_process(folder / "gateway") as gateway,
        BoardProcess(every=0) as board,
    ):
        for title in posts:
            board.add_post(title)
        installation = Installation(folder, database_url, redis, gateway, board)
        try:
            yield installation
        finally:
            installation.close()
