"""A loopback web server that can misbehave in the ways the web does."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

CHUNK = b"x" * 65_536


@dataclass
class Seen:
    """A request that arrived."""

    path: str
    headers: dict[str, str]


def board(posts: int) -> bytes:
    """A board with so many posts."""
    cells = '<tr class="row"><td><a href="/post?id={n}">Post {n} 공지</a><td class="date">2026-01-02 03:04'
    rows = "".join(cells.format(n=number) for number in range(posts))
    return f"<!doctype html><meta charset=utf-8><title>board</title><table>{rows}</table>".encode()


@dataclass
class FaultySite:
    """Answers by path; `robots` and `answers` may be changed while it runs."""

    address: str = "127.0.0.1"
    # Its certificate, when it speaks TLS.
    tls: ssl.SSLContext | None = None
    # None: there is no robots.txt.
    robots: str | None = None
    # Asks whoever wants it to come back after so many seconds.
    robots_busy: str | None = None
    # Path -> the whole answer, status line included, after which the connection is closed.
    answers: dict[str, bytes] = field(default_factory=dict)
    requests: list[Seen] = field(default_factory=list)
    port: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.address}:{self.port}"

    def url(self, path: str) -> str:
        return self.origin + path

    def paths(self) -> list[str]:
        """The paths asked for, without robots.txt."""
        return [seen.path for seen in self.requests if seen.path != "/robots.txt"]

    def answer(self, seen: Seen, send: Callable[[bytes], None]) -> None:
        self.requests.append(seen)
        if seen.path in self.answers:
            send(self.answers[seen.path])
            raise ConnectionAbortedError
        parts = urlsplit(seen.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        name = parts.path.strip("/").replace("-", "_").replace(".", "_") or "board"
        handler = getattr(self, f"_{name}", None)
        if handler is None:
            send(response("404 Not Found", b"there is no such page"))
        else:
            handler(seen, query, send)

    def _robots_txt(self, _seen: Seen, _query: dict[str, str], send: Callable[[bytes], None]) -> None:
        if self.robots_busy:
            send(response("429 Too Many Requests", b"", f"Retry-After: {self.robots_busy}"))
        elif self.robots is None:
            send(response("404 Not Found", b"<html>Disallow: /</html>"))
        else:
            send(response("200 OK", self.robots.encode(), "Content-Type: text/plain"))

    def _board(self, _seen: Seen, query: dict[str, str], send: Callable[[bytes], None]) -> None:
        send(response("200 OK", board(int(query.get("posts", "3"))), "Content-Type: text/html; charset=utf-8"))

    def _tagged(self, seen: Seen, _query: dict[str, str], send: Callable[[bytes], None]) -> None:
        if seen.headers.get("if-none-match") == '"v1"':
            send(response("304 Not Modified", b"", 'ETag: "v1"'))
        else:
            dated = "Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT"
            send(response("200 OK", board(3), "Content-Type: text/html", 'ETag: "v1"', dated))

    def _private(self, seen: Seen, query: dict[str, str], send: Callable[[bytes], None]) -> None:
        if seen.headers.get("authorization") == "Basic bWU6cEB3Og==":  # me:p@w:
            self._board(seen, query, send)
        else:
            send(response("401 Unauthorized", b"", 'WWW-Authenticate: Basic realm="board"'))

    def _hang(self, *_: object) -> None:
        self.over.wait()

    def _drip(self, _seen: Seen, _query: dict[str, str], send: Callable[[bytes], None]) -> None:
        send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000000\r\n\r\n")
        while not self.over.wait(0.05):
            send(b".")

    def _huge(self, _seen: Seen, query: dict[str, str], send: Callable[[bytes], None]) -> None:
        # Without a length, so that only reading finds out.
        send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n")
        for _ in range(int(query["mb"]) * 16):
            send(CHUNK)

    def _loop(self, _seen: Seen, query: dict[str, str], send: Callable[[bytes], None]) -> None:
        send(response("302 Found", b"", f"Location: /loop?n={int(query.get('n', '0')) + 1}"))

    def _to(self, _seen: Seen, query: dict[str, str], send: Callable[[bytes], None]) -> None:
        send(response("302 Found", b"", f"Location: {query['url']}"))

    def _busy(self, _seen: Seen, query: dict[str, str], send: Callable[[bytes], None]) -> None:
        status = {"429": "429 Too Many Requests", "503": "503 Service Unavailable"}[query.get("status", "429")]
        after = [f"Retry-After: {query['after']}"] if "after" in query else []
        send(response(status, b"busy", *after))

    def _busy_once(self, seen: Seen, _query: dict[str, str], send: Callable[[bytes], None]) -> None:
        if self.paths().count(seen.path) == 1:
            send(response("503 Service Unavailable", b"busy", "Retry-After: 1"))
        else:
            send(response("200 OK", board(3), "Content-Type: text/html"))

    def _broken(self, _seen: Seen, _query: dict[str, str], send: Callable[[bytes], None]) -> None:
        send(response("500 Internal Server Error", b"oops"))


def response(status: str, body: bytes, *headers: str) -> bytes:
    """An answer, for `FaultySite.answers` too."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def _serve_connection(site: FaultySite, connection: socket.socket) -> None:
    with suppress(OSError), connection:
        if site.tls:
            connection = site.tls.wrap_socket(connection, server_side=True)
        _serve_requests(site, connection)


def _serve_requests(site: FaultySite, connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as lines:
        # A client that is killed may leave half a line.
        while len(request := lines.readline().split()) > 1:
            headers = {}
            while line := lines.readline().decode("latin-1").strip():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            site.answer(Seen(request[1].decode(), headers), connection.sendall)


@contextmanager
def faulty_site(address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[FaultySite]:
    """A server on a free port of `address`."""
    with socket.create_server((address, 0)) as listener:
        site = FaultySite(address=address, tls=tls, port=listener.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=_serve_connection, args=(site, connection), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield site
        finally:
            site.over.set()
            # Wakes accept(), which closing alone does not.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
