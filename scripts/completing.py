"""Names that a shell completes at TAB: of sites and of users, read from the database."""

import click
from click.shell_completion import CompletionItem

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
    from storage.names import names_beginning

    try:
        with closing(open_database()) as database, database.reading() as session:
            names = names_beginning(session, kind, incomplete, limit=MOST)
    except (PipelineError, SQLAlchemyError, OSError):
        return []
    return [CompletionItem(name) for name in names]
