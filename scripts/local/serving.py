"""How a loopback server of ours (the gateway, the demo board) runs in the foreground until it is stopped."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Mapping
from types import FrameType
from typing import Any, Protocol

import click
from aiohttp import web

from scripts.errors import CommandError

LOOPBACK = "127.0.0.1"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_LOOPBACK_NAMES = (LOOPBACK, "localhost")


class ServingError(CommandError):
    """The server cannot start; the message says why and what to do."""


class Service(Protocol):
    """Something that listens: started and stopped inside an event loop."""

    async def start(self) -> None:
        """Listen; raises ServingError."""

    async def stop(self) -> None:
        """Stop listening and drop every connection, at once."""

    def addresses(self) -> Mapping[str, Any]:
        """Return what a parent process must know, as JSON values."""


def listen(port: int | None, preferred: int) -> socket.socket:
    """Return a listening loopback socket on `port` (0: a free one; None: `preferred`, a free one if it is taken).

    Raises ServingError when a port that was asked for is taken or not allowed.
    """
    wanted = preferred if port is None else port
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((LOOPBACK, wanted))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        if port is None:
            return listen(0, 0)
        raise ServingError(f"Port {wanted} cannot be used ({error.strerror}); name another one, or 0.") from error
    sock.setblocking(False)
    return sock


def port_of(sock: socket.socket) -> int:
    """Return the port that a bound socket has."""
    return int(sock.getsockname()[1])


@web.middleware
async def loopback_only(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse what a web page could make a browser send here: another Host, or a POST that is not JSON."""
    if request.url.host not in _LOOPBACK_NAMES:
        raise web.HTTPForbidden(text="This server answers only to 127.0.0.1 and localhost.\n")
    if request.method == "POST" and request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Send JSON, with Content-Type: application/json.\n")
    return await handler(request)


async def read_json(request: web.Request) -> Any:
    """Return the parsed body; answers 400 with a sentence when it is not JSON."""
    try:
        return json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text="The body is not JSON.\n") from error


async def start_site(
    site: web.Application | web.Server, sock: socket.socket, *, tls: ssl.SSLContext | None = None
) -> web.BaseRunner:
    """Serve an aiohttp application or low-level server on a listening socket; the caller cleans the runner up."""
    kwargs: dict[str, Any] = {"handle_signals": False, "shutdown_timeout": 0.1}
    runner = (
        web.ServerRunner(site, **kwargs)
        if isinstance(site, web.Server)
        else web.AppRunner(site, access_log=None, **kwargs)
    )
    await runner.setup()
    await web.SockSite(runner, sock, ssl_context=tls).start()
    return runner


def server_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options by which a parent process starts and ends a server."""
    command = click.option(
        "--until-stdin-closes",
        is_flag=True,
        help="Ignore signals; stop when standard input closes, as a parent's end does.",
    )(command)
    return click.option("--ready-fd", type=int, hidden=True)(command)


def serve(
    service: Service, *, announce: Callable[[], None], until_stdin_closes: bool = False, ready_fd: int | None = None
) -> None:
    """Run a service until SIGTERM or SIGINT, or on request until standard input ends, whatever signals come.

    Others may use it until they have stopped, so it must not stop at the same signals as they do: its parent ends it.
    Once it listens, `announce` is called, and its addresses go to the descriptor `ready_fd` as a line of JSON.
    A second signal changes nothing, and after the return signals are ignored: the process is expected to end.
    Raises click.ClickException when the service cannot start.
    """
    before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
    try:
        asyncio.run(_serve(service, announce, until_stdin_closes, ready_fd))
    except ServingError as error:
        for number, handler in before.items():
            signal.signal(number, handler)
        raise click.ClickException(str(error)) from error
    # All that is left to do is to exit, and a second signal must not turn that into a failure.
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


async def _serve(
    service: Service, announce: Callable[[], None], until_stdin_closes: bool, ready_fd: int | None
) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        # The loop's own handlers would give way to the default action when the loop closes.
        if not (until_stdin_closes or loop.is_closed()):
            loop.call_soon_threadsafe(stopped.set)

    for number in _STOP_SIGNALS:
        signal.signal(number, on_signal)
    try:
        await service.start()
        announce()
        if ready_fd is not None:
            os.write(ready_fd, json.dumps(dict(service.addresses())).encode() + b"\n")
            os.close(ready_fd)
        if until_stdin_closes:
            _watch_stdin(loop, stopped)
        await stopped.wait()
    finally:
        await service.stop()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    descriptor = sys.stdin.fileno()

    def read() -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(descriptor, 4096):
                loop.remove_reader(descriptor)
                stopped.set()

    loop.add_reader(descriptor, read)
