"""The command `crawlpush`: finds each command in its own module, and turns what went wrong into one sentence.

To add a command: write it with click in scripts/commands/NAME.py, under that name, and put it into HELP.
"""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click

from scripts import json_answers
from scripts.failures import sentence_of
from scripts.groups import Lazy, LazyGroup

HELP = {
    "Daily": {
        "start": "Run the pipeline, all its processes, and an embedded Redis unless REDIS_URL is set.",
        "status": "Sum up sites, posts, pushes, queues and channels.",
        "sites": "The boards and feeds that are watched.",
        "crawl": "Crawl one site at once, whatever its schedule, and show what was new.",
        "posts": "What the crawls found.",
        "match": "Say who would get a post, when and why: how many users, which phrases hit, and a sample.",
        "notifications": "What is owed to whom, and what became of it.",
    },
    "People": {
        "users": "The people who are notified, by the ids that the app knows them by.",
        "devices": "The phones that pushes go to.",
        "subscriptions": "What the users want to hear of.",
        "phrases": "A look at phrases before somebody subscribes to them.",
    },
    "Operating": {
        "doctor": "Check this installation.",
        "health": "Say whether workers and beat live, by what each wrote into DATA_DIR in the last minute.",
        "config": "The settings that are in force.",
        "web": "Serve the HTTP API and the pages of operators: docs/api.md and docs/pages.md tell of them.",
        "keys": "Keys of the HTTP API.",
        "push": "Try the road to a phone.",
        "channels": "The roads to the phones: FCM, APNs, console.",
        "pause": "Hold back crawls, pushes or both, until they are resumed.",
        "resume": "Let go what `pause` with the same words holds.",
        "sweep": "Enqueue again whatever is owed and nobody works on.",
        "schedule": "List everything that beat will do next: its own entries, and the sites by when they are due.",
        "locks": "The locks in Redis that keep two processes from doing the same.",
        "prune": "Remove old crawl runs, notifications, deliveries and unused phrases, as happens each night.",
        "db": "Migrate and check the database.",
        "metrics": "Numbers for Prometheus: what all processes counted, and how things stand.",
        "alerts": "Messages to the operators: a site is broken, a channel paused, beat gone, a queue too old.",
        "completion": "Print what makes a shell complete commands and options at TAB.",
    },
    "Developing": {
        "gateway": "Run a loopback FCM and APNs to develop against, with failures on request.",
        "board": "Run a loopback notice board in Korean and English that gains posts, to crawl.",
        "bench": "Measure.",
        "drill": "Disturb a copy of everything, then see whether each phone shows each post once.",
    },
}
"""The commands, as `--help` shows them: each one's first sentence stands here too, so that none is imported for it."""

SECTIONS = {
    heading: {name: Lazy(f"scripts.commands.{name}:{name}", sentence) for name, sentence in commands.items()}
    for heading, commands in HELP.items()
}


class Commands(LazyGroup):
    """The group of all commands."""

    def path_of(self, name: str) -> str:
        """See LazyGroup: these stand right behind `crawlpush`."""
        return name

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        """Run a command on whatever terminal there is: one that lacks a letter shows a question mark."""
        # Of a program that was started without one (>&-), Python makes nothing at all.
        sys.stdout, sys.stderr = (each or Path(os.devnull).open("w") for each in (sys.stdout, sys.stderr))  # noqa: SIM115
        for stream in (sys.__stdout__, sys.__stderr__):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")
        return super().main(args, *rest, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click."""
        json_answers.note(ctx, args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error that has a sentence is told by it, anything else is a defect with its traceback."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            raise json_answers.told(error) from None
        except (click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            sentence = sentence_of(error)
            if sentence is None:
                raise
            raise json_answers.told(click.ClickException(sentence)) from None


def _show_version(ctx: click.Context, _option: click.Parameter, is_asked: bool) -> None:
    if not is_asked or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("crawlpush")
    except PackageNotFoundError:
        # A platform that installs the requirements only, as Heroku does, runs us from the source.
        number = "from source"
    click.echo(f"crawlpush, version {number}")
    ctx.exit()


def _verbose(_ctx: click.Context, _option: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        # Read with the settings, by this process and by those that it starts.
        os.environ["LOG_LEVEL"] = "DEBUG"


def _quiet(_ctx: click.Context, _option: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends


def _color(ctx: click.Context, _option: click.Parameter, when: str) -> None:
    # None: where the output is a terminal. https://no-color.org: any value that is not empty.
    automatic = False if os.environ.get("NO_COLOR") else None
    ctx.color = {"always": True, "never": False}.get(when, automatic)


@click.group(cls=Commands, sections=SECTIONS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-q", "--quiet", is_flag=True, expose_value=False, callback=_quiet, help="Print errors alone.")
@click.option("-v", "--verbose", is_flag=True, expose_value=False, callback=_verbose, help="Log everything.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", expose_value=False,
              callback=_color, help="auto: on a terminal, unless NO_COLOR is set.")  # fmt: skip
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version,
              help="Show the version and exit.")  # fmt: skip
def main() -> None:
    """Watches boards and feeds, and pushes each new post to the phones of the people whose keywords it matches, once.

    Settings come from the environment or a .env file: docs/configuration.md lists them.
    """


if __name__ == "__main__":
    main(prog_name="crawlpush")
