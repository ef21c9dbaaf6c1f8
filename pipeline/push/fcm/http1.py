"""HTTP/1.1 over a pool of kept connections to one server: one request at a time on each.

It tells what a general client does not: whether any of a request may have left when something broke, which is all the
difference between a message that may be sent again and one that may have been shown. And it costs a fraction of the CPU
(docs/benchmarks.md). Parsing is httptools', which is Node's.
"""

import asyncio
import math
import ssl
import time
from asyncio.sslproto import SSLProtocol
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser
from typing_extensions import override

from pipeline.errors import PipelineError

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 50.0
"""An idle connection is dropped here before the other side drops it: a POST on a dying connection is an unknown."""
MAX_ANSWER_BYTES = 65_536
"""A push vendor's answer has some hundred bytes; whatever is longer is not one, and is not read to its end."""
TLS_BUFFER_BYTES = 32_768
"""Of each connection, for reading: two TLS records (RFC 8446, section 5.1)."""
ADDRESS_DELAY_S = 0.25
"""How long one of a host's addresses may take before the next is tried beside it (RFC 8305, section 5)."""
SHUTDOWN_S = 2.0
"""How long a TLS connection may say goodbye; asyncio's half minute is for peers that answer."""


class AnswerError(PipelineError, ConnectionError):
    """What came back is no HTTP, or broke off before anything was said."""


class TooLateError(PipelineError, ConnectionError):
    """The request's time was up before it was written."""


@dataclass(kw_only=True)
class Request:
    """A POST, and whether any of it may have left: before that, a failure is certainly harmless."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    sent: bool = False
    # Of the monotonic clock: it is not written later than this.
    until: float = math.inf


@dataclass(kw_only=True)
class Answer:
    """What the server said; the body is cut after MAX_ANSWER_BYTES, and where the connection broke."""

    status: int = 0
    # By name in lower case.
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    # False: the connection broke before the end.
    whole: bool = False


class Pool:
    """Connections to one server. All methods run on one event loop."""

    def __init__(self, url: str, *, tls: ssl.SSLContext, connections: int) -> None:
        """url: https://HOST[:PORT], or http://. connections: the most that are open at once; who comes later waits."""
        parts = urlsplit(url)
        secure = parts.scheme != "http"
        self._host, self._authority = parts.hostname or "", parts.netloc
        self._port = parts.port or (443 if secure else 80)
        self._tls = tls if secure else None
        if secure:
            _read_tls_in_small_pieces()
        self._turns = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []

    async def post(self, request: Request, timeout_s: float) -> Answer:
        """Send a request once, and return the answer.

        timeout_s: for all of it, from the wait for a connection on. Raises OSError (TimeoutError among them) when no
        answer came; `request.sent` tells what that means, also when the call is cancelled.
        """
        async with asyncio.timeout(timeout_s), self._turns:
            connection = self._reusable() or await self._connect()
            try:
                answer = await connection.exchange(request, self._authority)
            except BaseException:
                connection.close()
                raise
        if connection.reusable:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Close the connections that wait for a request."""
        while self._idle:
            self._idle.pop().close()

    def _reusable(self) -> "_Connection | None":
        now = time.monotonic()
        while self._idle:
            # The one that was used last is the least likely to be dead.
            connection = self._idle.pop()
            if connection.reusable and now - connection.idle_since < KEEPALIVE_S:
                return connection
            connection.close()
        return None

    async def _connect(self) -> "_Connection":
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, connection = await asyncio.get_running_loop().create_connection(
                _Connection,
                self._host,
                self._port,
                ssl=self._tls,
                ssl_shutdown_timeout=SHUTDOWN_S if self._tls else None,
                happy_eyeballs_delay=ADDRESS_DELAY_S,
            )
        return connection


class _Connection(asyncio.Protocol):
    """One connection: asyncio's protocol on one side, httptools' on the other."""

    def __init__(self) -> None:
        self.reusable = True
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._answer = Answer()
        self._chunks: list[bytes] = []
        self._size = 0

    async def exchange(self, request: Request, authority: str) -> Answer:
        """Write a request and wait for its answer."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection was closed before the request")
        if time.monotonic() >= request.until:
            raise TooLateError("the time was up before the request")
        lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        head = (
            f"POST {request.path} HTTP/1.1\r\nHost: {authority}\r\n{lines}Content-Length: {len(request.body)}\r\n\r\n"
        )
        self._waiter = asyncio.get_running_loop().create_future()
        self._answer, self._chunks, self._size = Answer(), [], 0
        request.sent = True
        self._transport.write(head.encode("latin-1") + request.body)
        return await self._waiter

    def close(self) -> None:
        """Close at once, whatever is under way."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        if self._waiting is None:
            # Nobody asked for anything.
            self.close()
            return
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._end(AnswerError(f"no HTTP: {type(error).__name__}"))
        if self._size >= MAX_ANSWER_BYTES and self._waiting is not None:
            self._end(AnswerError("an answer without an end"))

    @override
    def eof_received(self) -> None:
        self._end(AnswerError("the connection was closed before the answer's end"))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or AnswerError("the connection was lost before the answer's end"))

    def on_message_begin(self) -> None:
        """See httptools: an answer begins. One that nobody asked for is not the next request's: no more requests."""
        if self._waiting is None:
            self.close()
            # What it says must not be written into the answer that was given out.
            self._answer, self._chunks = Answer(), []

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools: one header of the answer."""
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """See httptools: the status is known."""
        self._answer.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """See httptools: a part of the body."""
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """See httptools: the answer's end, or that of a word such as "100 Continue" before it."""
        if self._waiting is None:
            return
        if self._answer.status < 200:
            self._answer = Answer()
            return
        self._answer.whole = True
        self.reusable = self._parser.should_keep_alive()
        self._finish()

    @property
    def _waiting(self) -> "asyncio.Future[Answer] | None":
        """Who waits for an answer; None: what comes now belongs to nobody."""
        return self._waiter if self._waiter is not None and not self._waiter.done() else None

    def _end(self, error: Exception) -> None:
        """The connection is over: what came of an answer is one, if it has anything to say."""
        self.close()
        waiter = self._waiting
        if waiter is None:
            return
        if self._answer.status and (self._chunks or self._answer.status != 200):
            self._finish()
        else:
            waiter.set_exception(error)

    def _finish(self) -> None:
        self._answer.body = b"".join(self._chunks)
        waiter = self._waiting
        if waiter is not None:
            waiter.set_result(self._answer)


def _read_tls_in_small_pieces() -> None:
    """Let each TLS connection of asyncio in this process have a buffer of TLS_BUFFER_BYTES.

    asyncio takes 256 KiB, which for a hundred connections is more than all else that a notifier needs for them, and has
    no parameter for it. Replaced once a connection is made it would not help: a hundred are made at once.
    """
    SSLProtocol.max_size = min(SSLProtocol.max_size, TLS_BUFFER_BYTES)
