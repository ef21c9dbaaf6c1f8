"""The pages that benchmarks serve on loopback; and the servers of `bench neighbour`, each a process of its own."""

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROUNDS = 8_000
"""Of the password hash: about four milliseconds on a machine of today."""
HOSTS = 50
"""Loopback addresses that the boards are spread over, since one host is crawled by one crawl at a time."""
ROWS = "".join(f"<tr class=row><td><a href='/post/{n}'>Post {n} 공지</a><td class=date>2026-01-02" for n in range(20))


class Page(BaseHTTPRequestHandler):
    """Answers every request with what `body` gives."""

    def do_GET(self) -> None:
        """Answer."""
        body = self.body()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        """The answer."""
        raise NotImplementedError

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class Login(Page):
    """Hashes a password for each request."""

    def body(self) -> bytes:
        """The hash."""
        return hashlib.pbkdf2_hmac("sha256", b"password", b"salt", ROUNDS).hex().encode()


class Board(Page):
    """Shows the same twenty posts."""

    def body(self) -> bytes:
        """The page; robots.txt forbids nothing."""
        return b"" if self.path == "/robots.txt" else f"<!doctype html><table>{ROWS}</table>".encode()


@contextmanager
def serving(page: type[Page]) -> Iterator[str]:
    """Serve a page on a free port, from threads of this process; its origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), page)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


KINDS = {"login": (Login, ["127.0.0.1"]), "boards": (Board, [f"127.0.0.{number + 2}" for number in range(HOSTS)])}


def main(kind: str, ready_fd: int) -> None:
    """Serve on one free port, which goes to the parent, until standard input ends."""
    page, addresses = KINDS[kind]
    with ExitStack() as stack:
        port = 0
        for address in addresses:
            server = stack.enter_context(ThreadingHTTPServer((address, port), page))
            port = server.server_address[1]
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        os.write(ready_fd, b'{"port": %d}\n' % port)
        sys.stdin.read()


if __name__ == "__main__":
    # As ServerProcess gives them: KIND --until-stdin-closes --ready-fd N
    main(sys.argv[1], int(sys.argv[-1]))
