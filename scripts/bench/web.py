"""The pages that benchmarks serve on loopback; and the servers of `bench neighbour`, each a process of its own."""

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

ROUNDS = 8_000
"""Of the password hash: about four milliseconds on a machine of today."""
HOSTS = 50
"""Loopback addresses that the boards are spread over, since one host is crawled by one crawl at a time."""


class Page(BaseHTTPRequestHandler):
    """Answers every request with what `body` gives."""

    protocol_version = "HTTP/1.1"

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
    """A page of any address has twenty posts that no other has; a real board's first has between ten and thirty."""

    rows = 20

    def body(self) -> bytes:
        """The page; or a robots.txt that forbids none of them."""
        if self.path == "/robots.txt":
            return b"User-agent: *\nDisallow: /private\n"
        page = self.path.replace("?page=", "/")
        date = '<td class="date">2026-01-02 03:04'
        rows = "".join(
            f'<tr class="row"><td><a href="/post{page}/{n}">Notice {n} 공지 of {page}</a>{date}'
            for n in range(self.rows)
        )
        return f"<!doctype html><meta charset=utf-8><table>{rows}</table>".encode()


class LongBoard(Board):
    """A page costs about what a crawl's start does, so the two can be told apart."""

    rows = 100


class MovingBoard(Board):
    """A board that has one more post at each look, and posts with pages of their own, some 8 kB each."""

    looks = count(1)

    def body(self) -> bytes:
        """The page."""
        if self.path == "/robots.txt":
            return super().body()
        if self.path.startswith("/post/"):
            text = "<p>신청 기간은 금요일까지입니다. Ask at the desk of the student office.</p>" * 60
            menu = "".join(f"<li><a href='/menu/{n}'>Menu {n}</a>" for n in range(40))
            return f"<!doctype html><meta charset=utf-8><ul>{menu}</ul><div class=text>{text}</div>".encode()
        last = self.rows + next(self.looks)
        numbers = range(last, last - self.rows, -1)
        rows = "".join(f'<tr class="row"><td><a href="/post/{n}">Notice {n} 공지</a>' for n in numbers)
        return f"<!doctype html><meta charset=utf-8><table>{rows}</table>".encode()


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
