"""A proxy on loopback through which a browser reaches the public internet, and nothing else.

What a page's scripts ask for, where a redirect leads, and what a name resolves to the second time: every connection is
made here, to an address that was looked at. (Intercepting requests in the browser would not see redirects.)
"""

import contextlib
import select
import socket
import threading
from typing import Final, Self
from urllib.parse import urlsplit

from pipeline.basics.public_addresses import is_public

HEAD_BYTES: Final = 64 * 1024
CONNECT_S: Final = 10
IDLE_S: Final = 30
_REFUSED: Final = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Proxy:
    """Serves from threads while it is entered; `refused` names the hosts that were not connected to."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.refused: set[str] = set()

    @property
    def address(self) -> str:
        """What a browser is told."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, browser: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), browser:
            browser.settimeout(IDLE_S)
            head, rest = _head(browser)
            method, target, version = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
            parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
            port = parts.port or (443 if method == "CONNECT" else 80)
            server = self._connected(parts.hostname or "", port)
            if server is None:
                browser.sendall(_REFUSED)
                return
            with server:
                if method == "CONNECT":
                    browser.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                else:
                    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                    lines = head.split(b"\r\n")[1:]
                    kept = [each for each in lines if not each.lower().startswith((b"proxy-", b"connection:"))]
                    first = f"{method} {path} {version}".encode("latin-1")
                    server.sendall(b"\r\n".join([first, *kept, b"Connection: close", b"", b""]))
                server.sendall(rest)
                _pump(browser, server)

    def _connected(self, host: str, port: int) -> socket.socket | None:
        """A connection to the host, by the very address that was looked at; None where it may not be."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if not self._allow_private and not all(is_public(str(each[4][0])) for each in found):
            self.refused.add(host)
            return None
        for family, kind, protocol, _, address in found:
            server = socket.socket(family, kind, protocol)
            server.settimeout(CONNECT_S)
            try:
                server.connect(address)
            except OSError:
                server.close()
            else:
                return server
        return None


def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    """A request's head, without its last line break, and what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(8192)
        if not part or len(data) > HEAD_BYTES:
            raise ValueError("no request came")
        data += part
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _pump(one: socket.socket, other: socket.socket) -> None:
    """Hand on what either side says, until one of them ends."""
    while True:
        readable, _, _ = select.select([one, other], [], [], IDLE_S)
        if not readable:
            return
        for source in readable:
            if not (part := source.recv(65_536)):
                return
            (other if source is one else one).sendall(part)
