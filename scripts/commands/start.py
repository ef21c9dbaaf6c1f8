"""`scripts/start`: the whole pipeline in one terminal, with what it needs when nothing is configured."""

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click
from sqlalchemy.exc import DBAPIError

from pipeline.basics.text import first_line
from pipeline.setting_layers import IS_CHECKOUT
from pipeline.settings import Settings, SettingsError, get_settings, load, unknown_names
from scripts import demo
from scripts.commands.web import base_address, user_name
from scripts.local.embedded_env import remove_embedded_env, write_embedded_env
from scripts.local.embedded_redis import (
    BUILDING,
    EmbeddedRedis,
    EmbeddedRedisError,
    build_server,
    find_server,
    require_compiler,
)
from scripts.local.folder_lock import FolderInUseError, FolderLock
from scripts.local.foreground import run_together
from scripts.local.forks import ForkError, Forks, preload
from scripts.local.processes import ServerProcessError
from scripts.local.supervisor import ROOT, Exit, procfile_commands, program_environment
from storage.migrate import NotMigratedError, require_migrated
from storage.session import Database

PROCESSES = ("crawler", "dispatcher", "notifier", "beat")
WEB = "web"
WITH_BEAT = "dispatcher"
"""What also does what beat does, with --together: as a process of its own beat takes 14 MB for little."""
SAME_WISH_S = 1.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StoppedError(BaseException):
    """A signal asked us to stop while things were being set up. Not an Exception: nothing may catch it half-way."""


class StopSignals:
    """Ctrl-C, SIGTERM and a closed terminal, each as often as it likes: one clean stop."""

    def __init__(self) -> None:
        self.wanted = False
        self._interrupts = True
        self._first_at = math.inf
        # Asked for again, well after the first time: some send each signal twice, and mean it once.
        self.hurry = False

    def install(self) -> None:
        """Handle the signals from here to the end of the process; one that is ignored (nohup) stays ignored."""
        # Raised while Python clears up after some object, it goes no further; `wanted` says the same then.
        shown = sys.unraisablehook
        sys.unraisablehook = lambda hidden: None if isinstance(hidden.exc_value, StoppedError) else shown(hidden)
        for number in STOP_SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._handle)

    def only_note(self) -> None:
        """From here on a signal interrupts nothing; `wanted` is looked at."""
        self._interrupts = False

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        first, self.wanted = not self.wanted, True
        if first:
            self._first_at = time.monotonic()
        self.hurry |= time.monotonic() > self._first_at + SAME_WISH_S
        if first and self._interrupts:
            raise StoppedError


@click.command("start")
@click.option("--no-demo", is_flag=True, help="Leave out the demo board, the push gateway and the demo users.")
@click.option("--web/--no-web", default=None, help="With the HTTP API, or without; with --together it is left out.")
@click.option("--together", is_flag=True, help="For a small server or dyno: fork all processes from one.")
def start(no_demo: bool, web: bool | None, together: bool) -> None:
    """Run the pipeline, all its processes, and an embedded Redis unless REDIS_URL is set.

    With --together what all need is in memory once, what dies is started again, and a second signal to stop ends what
    is under way: it is for production, too.
    """
    web_wanted = not together if web is None else web
    signals = StopSignals()
    signals.install()
    try:
        culprit = run(signals, demo_wanted=not no_demo, web_wanted=web_wanted, together=together)
    except StoppedError:
        culprit = None
    except (SettingsError, EmbeddedRedisError, ServerProcessError, ForkError) as error:
        raise click.ClickException(str(error)) from error
    except DBAPIError as error:
        reason = first_line(error.orig)
        raise click.ClickException(f"The database cannot be used: {reason}. Check DATABASE_URL.") from error
    if culprit is not None:
        code = "" if culprit.code is None else f" (exit code {culprit.code})"
        often = f" {culprit.early} times in a row" if culprit.early > 1 else ""
        click.echo(f"{culprit.name} ended by itself{often}{code}, so everything was stopped.", err=True)
        sys.exit(culprit.code or 1)
    say("Stopped.")


def run(signals: StopSignals, *, demo_wanted: bool, web_wanted: bool, together: bool) -> Exit | None:
    """Set everything up, run the processes until a signal or until one ends, and take everything down again."""
    with ExitStack() as stack:
        data_dir = load().data_dir
        try:
            stack.enter_context(FolderLock(data_dir / "start.lock"))
        except FolderInUseError as error:
            raise click.ClickException(
                f"crawlpush is already running: {error} Stop it there with Ctrl-C, or set DATA_DIR to another folder."
            ) from error
        # What a killed start left there would pass for configured servers.
        remove_embedded_env(data_dir)
        stack.callback(remove_embedded_env, data_dir)
        settings = load()
        for sentence in unknown_names():
            click.echo(sentence, err=True)
        if not IS_CHECKOUT:
            say(f"Database, keys and logs are kept in {data_dir}.")
        embedded: dict[str, str] = {}
        others: dict[str, Callable[[], bool]] = {}
        if "redis_url" not in settings.model_fields_set:
            server = stack.enter_context(_embedded_redis(data_dir / "redis"))
            embedded["REDIS_URL"] = server.url
            others["redis"] = lambda: server.is_running
        say("Bringing the database up to date.")
        _bring_up_to_date(settings.database)
        if demo_wanted:
            shown = stack.enter_context(demo.running(settings))
            embedded |= shown.environment
            say(shown.explanation)
        else:
            with closing(Database(settings.database)) as database:
                demo.hide(database)
        if web_wanted:
            if "port" not in settings.model_fields_set:
                # Nobody asked for a port, so one that somebody else has must not keep the pipeline from starting.
                embedded["PORT"] = str(_usable_port(settings.web_host, settings.port))
            say(_link(settings, int(embedded.get("PORT", settings.port))))
        write_embedded_env(data_dir, embedded)
        commands = procfile_commands((*PROCESSES, *([WEB] if web_wanted else [])))
        if together:
            del commands["beat"]
            commands[WITH_BEAT] += " -B"
        environment = program_environment(os.environ)
        # From here on nothing is interrupted: the processes end first, then the servers that they use.
        signals.only_note()
        forks = _forks(tuple(commands.values())) if together else None
        return run_together(
            commands,
            environment,
            stop_wanted=lambda: signals.wanted,
            others=others,
            forks=forks,
            prefixed=settings.log_format != "json",
            hurry=lambda: signals.hurry,
        )


def _forks(commands: Sequence[str]) -> Forks:
    # The addresses of what was started here.
    get_settings.cache_clear()
    return Forks(preload(commands))


def _bring_up_to_date(url: str) -> None:
    try:
        require_migrated(url)
    except NotMigratedError:
        # A process of its own takes away again what migrating needs in memory.
        done = subprocess.run(
            [sys.executable, "-m", "scripts.cli", "db", "upgrade"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise click.ClickException((done.stderr or done.stdout).strip().removeprefix("Error: ")) from None


def _link(settings: Settings, port: int) -> str:
    from pipeline.web.pages.links import new_link_address

    base = base_address(settings.model_copy(update={"port": port}))
    with closing(Database(settings.database)) as database:
        address = new_link_address(database, base, user_name(), now=datetime.now(UTC))
    return f"Look and steer, once within ten minutes (then `{demo.COMMAND} web link`): {address}"


def _usable_port(host: str, wanted: int) -> int:
    """The wanted port, or a free one when somebody listens there already."""
    for port in (wanted, 0):
        try:
            with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as found:
                return int(found.getsockname()[1])
        except OSError:
            continue
    return wanted


def _embedded_redis(folder: Path) -> EmbeddedRedis:
    if find_server() is None:
        require_compiler()
        say(BUILDING)
        build_server()
    say("Starting the embedded Redis.")
    return EmbeddedRedis(folder)


def say(sentence: str) -> None:
    """Tell the person at the terminal, if there still is one."""
    try:
        click.echo(sentence)
    except OSError:
        # Python would complain at its end, too, that it cannot write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    start(prog_name="scripts/start")
