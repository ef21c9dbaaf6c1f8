"""HTTP/1.1 for a server: a connection hands its requests to a function, one at a time, and writes whole answers.

A general server makes a task of each request and costs more than all that the gateway does with one. Here the handler
is called at once; what it does not answer then, it answers by a timer. Parsing is httptools', which is Node's.
"""

import asyncio
import logging
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import NoReturn
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from scripts.gateway.answers import Answer, google_page

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 16_384
MAX_BODY_BYTES = 1_048_576
MOST_WAITING = 64
"""As many pipelined requests wait for an answer before no more are read from a connection."""
KEEPALIVE_S = 300.0
"""A connection on which nothing is owed and nothing happens is closed after this long."""
LINGER_S = 1.0
"""How long what comes after a refusal is still read: TCP resets a connection that is closed over unread bytes, and the
client would never see the refusal."""

_PHRASES = {int(status): status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class Request:
    """A request as it came. Names of headers are in lower case; of one that came twice, the first counts."""

    method: bytes = b""
    target: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    keep_alive: bool = True

    @property
    def path(self) -> str:
        """The decoded path, without the query; also of a target that names the server (RFC 9112, 3.2.2)."""
        path = self.target.partition(b"?")[0]
        if not path.startswith(b"/"):
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
        return unquote(path.decode("latin-1"))

    def header(self, name: bytes) -> str | None:
        """Return a header's value, None when it did not come; `name` is in lower case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


class HTTPConnection(asyncio.Protocol):
    """One connection: asyncio's protocol on one side, httptools' on the other.

    The handler is called with the connection and a request, and the next request waits until it has used one of
    `answer`, `drip`, `ignore` and `reset`, at once or by way of `later`. With the connection its timers end.
    """

    def __init__(self, handle: Callable[["HTTPConnection", Request], None], connections: "set[HTTPConnection]") -> None:
        """handle: answers a request. connections: where this one is kept while it is open."""
        self._handle = handle
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        # What is being read.
        self._parser = HttpRequestParser(self)
        self._incoming = Request()
        self._chunks: list[bytes] = []
        self._head_is_read = False
        self._size = 0  # of the head, then of the body
        self._unfinished = 0  # bytes since a request was complete
        self._expects_continue = False
        self._deaf = False  # whatever else comes is not looked at
        # What is owed.
        self._requests: deque[Request] = deque()
        self._current: Request | None = None
        self._refusal: Answer | None = None  # the last answer, after those to the requests before it
        self._timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._used_at = 0.0
        self._writing_is_paused = self._reading_is_paused = False

    # What the handler does

    def answer(self, answer: Answer) -> None:
        """Answer the request, in one piece."""
        request = self._asked()
        head = _head(answer, request)
        self._write(head if request.method == b"HEAD" else head + answer.body)
        self._done()

    def drip(self, answer: Answer, drip_s: float) -> None:
        """Answer the request with the head at once, and a byte of the body every `drip_s` seconds."""
        self._write(_head(answer, self._asked()))
        self._drip(answer.body, drip_s)

    def ignore(self) -> None:
        """Say nothing more on this connection, until the client gives it up."""
        self._deaf = True
        self._requests.clear()
        if self._timer is not None:
            self._timer.cancel()

    def reset(self) -> None:
        """End the connection with RST."""
        self.ignore()
        reset_connection(self._transport)

    def later(self, delay_s: float, callback: Callable[..., None], *arguments: object) -> None:
        """Call back after `delay_s` seconds, unless the connection ends before."""
        self._timer = self._loop.call_later(delay_s, self._fire, callback, arguments)

    # What the server does

    def close(self) -> None:
        """Close the connection when all that was written is sent."""
        self.ignore()
        # After a second close() asyncio's TLS does not listen to abort() any more.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)
        self._used_at = self._loop.time()
        self._close_when_idle()

    def connection_lost(self, _exc: Exception | None) -> None:
        """See asyncio.Protocol: nobody waits for an answer any more."""
        self._connections.discard(self)
        self.ignore()
        self._transport = None
        if self._idle_timer is not None:
            self._idle_timer.cancel()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._deaf:
            return
        self._unfinished += len(data)
        try:
            self._parser.feed_data(data)
            if self._unfinished > MAX_HEAD_BYTES:
                self._check_unfinished()
        except (HttpParserError, HttpParserUpgrade):
            if not self._deaf:
                self._deaf, self._refusal = True, google_page(400)
        self._go_on()

    def pause_writing(self) -> None:
        """See asyncio.Protocol: a client that does not read is not read either."""
        self._writing_is_paused = True
        self._read_or_not()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._writing_is_paused = False
        self._read_or_not()

    # httptools' side

    def on_url(self, url: bytes) -> None:
        """See httptools: the target, or a part of it."""
        self._incoming.target += url
        self._size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools: a header, or what is dropped here, a trailer."""
        if not self._head_is_read:
            self._incoming.headers.setdefault(name.lower(), value)
            self._size += len(name) + len(value)

    def on_headers_complete(self) -> None:
        """See httptools: what the head alone forbids is refused before the body comes."""
        if self._size > MAX_HEAD_BYTES:
            self._refuse(431)
        if self._parser.should_upgrade():
            self._refuse(400)
        headers = self._incoming.headers
        if int(headers.get(b"content-length", b"0")) > MAX_BODY_BYTES:
            self._refuse(413)
        if headers.get(b"expect", b"").lower() == b"100-continue":
            # RFC 9110, 10.1.1: not to a client of HTTP/1.0.
            self._expects_continue = self._parser.get_http_version() != "1.0"
        self._head_is_read = True
        self._size = 0

    def on_body(self, body: bytes) -> None:
        """See httptools: a part of the body."""
        self._chunks.append(body)
        self._size += len(body)
        if self._size > MAX_BODY_BYTES:
            self._refuse(413)

    def on_message_complete(self) -> None:
        """See httptools: a whole request."""
        request = self._incoming
        request.method = self._parser.get_method()
        request.keep_alive = self._parser.should_keep_alive()
        request.body = b"".join(self._chunks)
        self._requests.append(request)
        self._deaf = not request.keep_alive
        self._incoming = Request()
        self._chunks = []
        self._head_is_read = self._expects_continue = False
        self._size = self._unfinished = 0

    def _check_unfinished(self) -> None:
        """Bound what the parser keeps to itself: a header without an end, the framing of chunks, trailers."""
        if not self._head_is_read:
            self._refuse(431)
        if self._unfinished > MAX_HEAD_BYTES + MAX_BODY_BYTES:
            self._refuse(413)

    def _refuse(self, status: int) -> NoReturn:
        """Stop parsing for good. The requests before this one are answered first."""
        self._deaf, self._refusal = True, google_page(status)
        raise HttpParserError

    # The way back

    def _go_on(self) -> None:
        """Have the next requests answered, as far as that is done at once."""
        while self._current is None and self._requests:
            self._current = request = self._requests.popleft()
            try:
                self._handle(self, request)
            except Exception:
                logger.exception("a request could not be handled")
                if self._current is request:
                    self.answer(google_page(500, code="INTERNAL"))
        if self._current is None:
            self._used_at = self._loop.time()
            if self._refusal is not None:
                refusal, self._refusal = self._refusal, None
                self._write(_head(refusal, Request(keep_alive=False)) + refusal.body)
                self.later(LINGER_S, self.close)
            elif self._expects_continue:
                self._expects_continue = False
                self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._requests or self._reading_is_paused:
            self._read_or_not()

    def _asked(self) -> Request:
        assert self._current is not None, "no request is waiting for an answer"
        return self._current

    def _done(self) -> None:
        request, self._current = self._asked(), None
        if not request.keep_alive:
            self.close()

    def _drip(self, rest: bytes, drip_s: float) -> None:
        if rest:
            self.later(drip_s, self._drip_one, rest, drip_s)
        else:
            self._done()

    def _drip_one(self, rest: bytes, drip_s: float) -> None:
        self._write(rest[:1])
        self._drip(rest[1:], drip_s)

    def _fire(self, callback: Callable[..., None], arguments: tuple[object, ...]) -> None:
        self._timer = None
        callback(*arguments)
        self._go_on()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _read_or_not(self) -> None:
        """Leave to TCP what a client sends before it has its answers, but see the end of one that gets none."""
        pause = not self._deaf and (self._writing_is_paused or len(self._requests) > MOST_WAITING)
        if self._transport is None or pause == self._reading_is_paused:
            return
        self._reading_is_paused = pause
        if pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _close_when_idle(self) -> None:
        """Close a connection that is idle, or look again when it could be: a timer for each request would cost more."""
        idle_s = self._loop.time() - self._used_at if self._current is None else 0.0
        if idle_s >= KEEPALIVE_S:
            self.close()
        else:
            self._idle_timer = self._loop.call_later(KEEPALIVE_S - idle_s, self._close_when_idle)


def reset_connection(transport: asyncio.BaseTransport | None) -> None:
    """Close a TCP connection with RST, as a dying server or a NAT does."""
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def _head(answer: Answer, request: Request) -> bytes:
    """Return the status line and headers of an answer."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in answer.headers])
    if not request.keep_alive:
        lines += "Connection: close\r\n"
    elif b"connection" in request.headers:
        # A client of HTTP/1.0 asked for it, and waits for the promise.
        lines += "Connection: keep-alive\r\n"
    head = (
        f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, '')}\r\n"
        f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n"
        f"Date: {_date(int(time.time()))}\r\n{lines}\r\n"
    )
    return head.encode("latin-1")


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
