"""`crawlpush web`: the HTTP API in the foreground."""

import click

from pipeline.settings import get_settings


@click.command()
@click.option("--host", help="Address to listen on; default: WEB_HOST, which is this machine alone.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; default: PORT.")
def web(host: str | None, port: int | None) -> None:
    """Serve the HTTP API: docs/api.md says what an app can do with it. Keys come from `crawlpush keys`."""
    from pipeline.web.server import run

    changes = {"web_host": host, "port": port}
    run(get_settings().model_copy(update={name: value for name, value in changes.items() if value is not None}))
