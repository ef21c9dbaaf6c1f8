"""`crawlpush web`: the HTTP API and the pages of operators in the foreground, and links that sign in to these."""

import getpass

import click

from pipeline.resources import now
from pipeline.settings import Settings, get_settings
from scripts.output import open_database


@click.group(invoke_without_command=True)
@click.option("--host", help="Address to listen on; default: WEB_HOST, which is this machine alone.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; default: PORT.")
@click.pass_context
def web(ctx: click.Context, host: str | None, port: int | None) -> None:
    """Serve the HTTP API and the pages of operators: docs/api.md and docs/pages.md tell of them.

    Keys of the API come from `crawlpush keys`, and `crawlpush web link` prints a link that signs in to the pages.
    """
    if ctx.invoked_subcommand is not None:
        return
    from pipeline.web.server import run

    changes = {"web_host": host, "port": port}
    run(get_settings().model_copy(update={name: value for name, value in changes.items() if value is not None}))


@web.command()
@click.option("--name", help="Who signs in, for the record of changes; default: the user of this machine.")
def link(name: str | None) -> None:
    """Print an address that signs in to the pages once, within ten minutes."""
    from pipeline.web.pages.links import new_link_address

    settings = get_settings()
    click.echo(new_link_address(open_database(), base_address(settings), name or user_name(), now=now()))


def base_address(settings: Settings) -> str:
    """Where a browser finds the pages: WEB_URL, else this machine."""
    if settings.web_url:
        return settings.web_url
    host = settings.web_host if settings.web_host not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def user_name() -> str:
    """The user of this machine; one who has no entry there is an operator all the same."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
