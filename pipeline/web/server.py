"""`python -m pipeline.web.server`, and the Procfile's `web`: the HTTP API on uvicorn."""

import gc
import socket
import sys

import uvicorn

from pipeline import locks, logs, sentry, startup
from pipeline.basics import memory, readiness
from pipeline.errors import PipelineError
from pipeline.settings import Settings, get_settings
from pipeline.web.app import create_app, open_context
from pipeline.web.peer import Peer

STOP_S = 10
"""How long a stop waits for the requests under way."""


class PortError(PipelineError):
    """The address cannot be listened on."""


def run(settings: Settings) -> None:
    """Serve until a signal comes. Raises NotReadyError and PortError."""
    logs.configure(settings)
    locks.name_process("web")
    startup.wait_for(settings, {"database": startup.check_database})
    listening = listen(settings.web_host, settings.port)
    sentry.start(settings)
    host, port = listening.getsockname()[:2]
    sys.stderr.write(f"the HTTP API listens on http://{host}:{port}\n")
    config = uvicorn.Config(
        Peer(create_app(open_context(settings))),
        # Peer does it.
        proxy_headers=False,
        http="httptools",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
        h11_max_incomplete_event_size=64 * 1024,
    )
    # What is loaded by now stays, and much of it was only needed to load the rest.
    gc.collect()
    gc.freeze()
    memory.forget_code()
    with listening:
        # From here on the kernel takes connections in, and they are answered as soon as uvicorn runs.
        readiness.ready()
        uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortError with the way out.

    It says that it speaks TCP: asyncio turns Nagle's algorithm off for such ones alone, and with it on a head and its
    body, which are written apart, are up to 40 ms from each other.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise PortError(
            f"port {port} of {host} cannot be used ({error.strerror or error}): set PORT to another one, "
            "or leave the API out with `crawlpush start --no-web`"
        ) from None
    return listening


def main() -> None:
    """Serve, or end with a sentence."""
    memory.one_arena()
    try:
        run(get_settings())
    except PipelineError as error:
        sys.exit(f"crawlpush web cannot start: {error}")


if __name__ == "__main__":
    main()
