"""--json for every command: one that shows no list or record of its own answers with one object, as errors do."""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import click

_WANTED = f"{__name__}.wanted"
UNTIL_STOPPED = frozenset({"start", "web", "gateway", "board", "metrics serve", "completion"})
"""Commands that run until they are stopped, or print what another program reads."""


def note(ctx: click.Context, arguments: list[str]) -> None:
    """Remember whether this call wants JSON; before the words are parsed, as that may fail already."""
    ctx.meta[_WANTED] = "--json" in arguments


def is_wanted() -> bool:
    """Whether the command that runs was given --json."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(_WANTED))


def text(*, ok: bool, reason: str | None = None, said: list[str] | None = None) -> str:
    """The object that says how a command went."""
    # Here: help and completion need not wait for it.
    import json

    answer = {"ok": ok, "reason": reason, "said": said}
    return json.dumps({name: value for name, value in answer.items() if value is not None}, ensure_ascii=False)


def told(error: click.ClickException) -> click.ClickException | click.exceptions.Exit:
    """What to raise for an error: itself, or where JSON is wanted the same exit code, after it was printed as such."""
    if not is_wanted():
        return error
    click.echo(text(ok=False, reason=error.format_message()))
    return click.exceptions.Exit(error.exit_code)


def add_json(path: str, command: click.Command) -> None:
    """Give --json to a command that does not have it, unless it is a group."""
    has_json = any("--json" in parameter.opts for parameter in command.params)
    if isinstance(command, click.Group) or has_json or path in UNTIL_STOPPED or command.callback is None:
        return
    command.params.append(click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."))
    command.callback = _answering(command.callback)


def _answering(run: Callable[..., Any]) -> Callable[..., Any]:
    def answered(*arguments: Any, as_json: bool, **options: Any) -> None:
        if not as_json:
            run(*arguments, **options)
            return
        said = io.StringIO()
        code: str | int | None = 0
        try:
            with redirect_stdout(said):
                run(*arguments, **options)
        except click.exceptions.Exit as end:
            code = end.exit_code
        except SystemExit as end:
            code = end.code
        click.echo(text(ok=not code, said=said.getvalue().splitlines()))
        if code:
            raise click.exceptions.Exit(code if isinstance(code, int) else 1)

    return answered
