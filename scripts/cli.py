"""The command `crawlpush`: finds each command in its own module, and turns what went wrong into one sentence.

To add a command: write it with click in a module of scripts/commands/, and name it in COMMANDS.
"""

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError
from sqlalchemy.exc import OperationalError

from pipeline.basics.text import first_line
from pipeline.startup import redis_sentence
from scripts.errors import OUR_ERRORS

COMMANDS = {
    "start": "scripts.commands.start:start",
    "crawl": "scripts.commands.crawl:crawl",
    "sites": "scripts.commands.sites:sites",
    "users": "scripts.commands.users:users",
    "devices": "scripts.commands.devices:devices",
    "subscriptions": "scripts.commands.subscriptions:subscriptions",
    "posts": "scripts.commands.posts:posts",
    "notifications": "scripts.commands.notifications:notifications",
    "keys": "scripts.commands.keys:keys",
    "web": "scripts.commands.web:web",
    "match": "scripts.commands.match:match",
    "status": "scripts.commands.status:status",
    "metrics": "scripts.commands.metrics:metrics",
    "alerts": "scripts.commands.alerts:alerts",
    "channels": "scripts.commands.channels:channels",
    "push": "scripts.commands.push:push",
    "doctor": "scripts.commands.doctor:doctor",
    "pause": "scripts.commands.pause:pause",
    "resume": "scripts.commands.resume:resume",
    "sweep": "scripts.commands.sweep:sweep",
    "schedule": "scripts.commands.schedule:schedule",
    "locks": "scripts.commands.locks:locks",
    "prune": "scripts.commands.prune:prune",
    "db": "scripts.commands.db:db",
    "gateway": "scripts.commands.gateway:gateway",
    "board": "scripts.commands.board:board",
    "bench": "scripts.commands.bench:bench",
    "drill": "scripts.commands.drill:drill",
}
"""Where each command lives. They are imported when they are called, so that `--help` and small commands stay quick."""


class Commands(click.Group):
    """A group whose commands are imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), name)
        return command if isinstance(command, click.Command) else None

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of ours has its sentence, anything else is a defect and shows its traceback."""
        try:
            return super().invoke(ctx)
        except OUR_ERRORS as error:
            raise click.ClickException(str(error)) from None
        except (RedisError, BrokerError) as error:
            raise click.ClickException(redis_sentence(error)) from None
        except OperationalError as error:
            cause = first_line(error.orig)
            raise click.ClickException(f"the database cannot be used: {cause}. Check DATABASE_URL") from None


def _version() -> str:
    try:
        return version("crawlpush")
    except PackageNotFoundError:
        # A platform that installs the requirements only, as Heroku does, runs us from the source.
        return "from source"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="crawlpush")
def main() -> None:
    """Watches boards and feeds, and pushes each new post to the phones of the people whose keywords it matches, once.

    Settings come from the environment or a .env file: docs/configuration.md lists them.
    """


if __name__ == "__main__":
    main(prog_name="crawlpush")
