"""Commands that do what cannot be taken back: each says first how much it is about, and asks."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

import click

from scripts import json_answers
from scripts.errors import CommandError


class Ask(Protocol):
    """Ask before harm is done."""

    def __call__(self, what: str, *, is_small: bool = False) -> None:
        """Go on only if the answer is yes; with --dry-run the command ends here.

        what: what is about to be done, such as "remove notices with 12 posts". is_small: not worth a question.
        Raises CommandError where the answer is no, or nobody can be asked.
        """


def asks_first(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --dry-run and --yes to a command, which is given `ask` to call before it does anything."""

    @click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @wraps(command)
    def run(*arguments: Any, yes: bool, dry_run: bool, **options: Any) -> Any:
        def ask(what: str, *, is_small: bool = False) -> None:
            if dry_run:
                click.echo(f"this would {what}; nothing was done")
                raise click.exceptions.Exit(0)
            if not (yes or is_small):
                confirm(f"{what[0].upper()}{what[1:]}?")

        return command(*arguments, ask=ask, **options)

    return run


def confirm(question: str) -> None:
    """Go on only if the answer is yes. Raises CommandError where it is no, or nobody can be asked."""
    if json_answers.is_wanted():
        raise CommandError(f"{question} Nobody is asked where --json is given: --yes does it")
    try:
        is_wanted = click.confirm(question)
    except click.Abort:
        click.echo()
        is_wanted = False
    if not is_wanted:
        raise CommandError("nothing was done; --yes does it without a question")
