"""`crawlpush metrics`: what Prometheus reads."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pipeline.locks import open_redis
from pipeline.settings import get_settings
from storage.session import Database

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

PORT = 9464


@click.group()
def metrics() -> None:
    """Numbers for Prometheus: what all processes counted, and how things stand."""


@metrics.command()
def show() -> None:
    """Print them once."""
    from prometheus_client import generate_latest

    with _registry() as registry:
        click.echo(generate_latest(registry).decode(), nl=False)


@metrics.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True, help="0: any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="There is no login: keep it private.")
def serve(*, port: int, host: str) -> None:
    """Serve them over HTTP, at /metrics, until SIGTERM or Ctrl-C. One exporter serves all machines."""
    from prometheus_client import start_http_server

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _registry() as registry:
        try:
            server, thread = start_http_server(port, addr=host, registry=registry)
        except OSError as error:
            raise click.ClickException(f"port {port} of {host} cannot be used: {error.strerror}") from None
        click.echo(f"metrics are at http://{host}:{server.server_port}/metrics")
        stop.wait()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _registry() -> Iterator["CollectorRegistry"]:
    # Imported here: with it comes the Celery app.
    from pipeline.metrics.exposition import Exposition

    settings = get_settings()
    database, redis = Database(settings.database), open_redis(settings)
    try:
        yield Exposition(database, redis).registry()
    finally:
        redis.close()
        database.close()
