"""Groups of commands that are imported when they are called, so that help and completion stay quick; and names of
sites and users that a shell completes at TAB.
"""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from scripts.examples import add_examples
from scripts.json_answers import add_json

UNCUT = 1000
"""Characters of a line of help: a line that is cut hides what it says."""


class Lazy(NamedTuple):
    """A command that is imported when it is called."""

    # MODULE:NAME
    target: str
    # The first sentence of the command's own help: a test compares them.
    help: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, name = self.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


def with_subcommands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """A command and, of a group, those that it holds already, each as one types it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from with_subcommands(f"{path} {name}", each)


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something by itself, as one types it; all of them are imported for it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        if command and (not isinstance(command, click.Group) or command.invoke_without_command):
            yield " ".join((*path, name)), command


Sections = Mapping[str, Mapping[str, Lazy]]
"""A heading of the help -> the name of a command -> the command."""


class LazyGroup(click.Group):
    """A group of commands that it imports on demand, beside those that are added to it."""

    def __init__(self, *args: Any, sections: Sections | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections or {}
        self.lazy = {name: lazy for commands in self.sections.values() for name, lazy in commands.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, and give it what every command has."""
        lazy = self.lazy.get(cmd_name)
        if lazy is None:
            return super().get_command(ctx, cmd_name)
        command = lazy.load()
        for path, each in with_subcommands(self.path_of(cmd_name), command):
            for give in (add_examples, add_json, add_names):
                give(path, each)
        return command

    def path_of(self, name: str) -> str:
        """A command of this group as one types it."""
        return f"{self.name} {name}"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See click. A name that is not known is answered with the nearest one."""
        is_option = args[0].startswith("-")
        if not is_option and not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"`{ctx.command_path} --help` lists them"
            ctx.fail(f"there is no command {args[0]!r}: {advice}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a sentence beside each name, under the headings."""
        sections = self._sentences(ctx)
        width = max((len(name) for sentences in sections.values() for name in sentences), default=0)
        for heading, sentences in sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), sentence) for name, sentence in sentences.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a name, or an option, without importing a command."""
        items = [
            CompletionItem(name, help=sentence)
            for sentences in self._sentences(ctx).values()
            for name, sentence in sentences.items()
            if name.startswith(incomplete)
        ]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def _sentences(self, ctx: click.Context) -> dict[str, dict[str, str]]:
        sections = {
            heading: {name: lazy.help for name, lazy in commands.items()} for heading, commands in self.sections.items()
        }
        own = {name: self.commands[name] for name in super().list_commands(ctx)}
        if own:
            listed = sections.setdefault("Commands", {})
            listed |= {name: each.get_short_help_str(UNCUT) for name, each in own.items() if not each.hidden}
        return sections


MOST = 100
"""More than a person reads."""


def add_names(path: str, command: click.Command) -> None:
    """Have a shell complete what of a command takes the name of a site or a user."""
    for parameter in command.params:
        is_site = parameter.name == "site" or (path.startswith("sites ") and parameter.name == "name")
        if is_site and path != "sites add":
            parameter._custom_shell_complete = _sites
        elif parameter.name == "user" and path != "users add":
            parameter._custom_shell_complete = _users


def _sites(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _found("site", incomplete)


def _users(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _found("user", incomplete)


def _found(kind: str, incomplete: str) -> list[CompletionItem]:
    """The names that begin so; none where the database cannot be asked: a shell has no place for an error."""
    from contextlib import closing

    from sqlalchemy.exc import SQLAlchemyError

    from pipeline.errors import PipelineError
    from scripts.output import open_database
    from storage.parts import names_beginning

    try:
        with closing(open_database()) as database, database.reading() as session:
            names = names_beginning(session, kind, incomplete, limit=MOST)
    except (PipelineError, SQLAlchemyError, OSError):
        return []
    return [CompletionItem(name) for name in names]
