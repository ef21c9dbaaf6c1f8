"""One kept HTTP/1.1 connection, which carries one request at a time over a socket that never blocks.

It tells what a general client does not: whether any of a request may have left when something broke, which is all the
difference between a message that may be sent again and one that may have been shown.
"""

import select
import selectors
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from httptools import HttpParserError, HttpResponseParser

from pipeline.errors import PipelineError
from pipeline.push.fcm import addresses

MAX_ANSWER_BYTES = 65_536
"""A push vendor's answer has some hundred bytes; whatever is longer is not one, and is not read to its end."""
RECORD_BYTES = 16_384
"""Read at once: the most that a TLS record holds (RFC 8446, section 5.1)."""
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
WAITS = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class AnswerError(PipelineError, ConnectionError):
    """What came back is no HTTP, or broke off before anything was said."""


@dataclass(kw_only=True, eq=False)
class Request:
    """A POST, and whether any of it may have left: before that, a failure is certainly harmless."""

    # As Pool.head() gives it.
    head: bytes
    body: bytes
    # The caller's own, to know it by.
    number: int = 0
    sent: bool = False


@dataclass(kw_only=True)
class Answer:
    """What the server said; the body is cut after MAX_ANSWER_BYTES, and where the connection broke."""

    status: int = 0
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    # False: the connection broke before the end.
    whole: bool = False

    @property
    def headers(self) -> Mapping[str, str]:
        """By name in lower case, made when asked for."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.fields}


class Connection:
    """A connection that is being made, and then carries requests."""

    def __init__(self, raw: socket.socket, tls: ssl.SSLContext | None, host: str) -> None:
        """raw: a socket that does not block, and may still be connecting. tls: None for none."""
        self.socket = raw
        self.is_ready = False
        # Whether another request may follow.
        self.reusable = True
        self.idle_since = 0.0
        self._tls, self._host = tls, host
        self._parser = HttpResponseParser(self)
        self._poll = select.poll()
        self._asked = False
        self._unsent = b""
        self._answer = Answer()
        self._chunks: list[bytes] = []
        self._size = 0

    @property
    def events(self) -> int:
        """What the socket is to be watched for."""
        return READ | WRITE if self._unsent else READ

    def go_on(self) -> int:
        """Go on with connecting: 0 when that is done, else what to watch the socket for. Raises OSError."""
        if not isinstance(self.socket, ssl.SSLSocket):
            addresses.end(self.socket)
            if self._tls is not None:
                self.socket = self._tls.wrap_socket(
                    self.socket, server_hostname=self._host, do_handshake_on_connect=False
                )
        if isinstance(self.socket, ssl.SSLSocket):
            try:
                self.socket.do_handshake()
            except ssl.SSLWantReadError:
                return READ
            except ssl.SSLWantWriteError:
                return WRITE
        self.is_ready = True
        self._poll.register(self.socket, select.POLLIN)
        return 0

    def is_quiet(self) -> bool:
        """Whether nothing has come since the last answer: neither bytes that nobody asked for, nor the end.

        What came before a request was sent would be read as its answer.
        """
        if not self._poll.poll(0) and not self._is_more_decrypted():
            return True
        try:
            # TLS has messages of its own.
            self.socket.recv(1)
        except WAITS:
            return True
        except OSError:
            pass
        return False

    def ask(self, request: Request) -> None:
        """Write a request, as far as the socket takes it. Raises OSError."""
        self._asked, self._answer, self._chunks, self._size = True, Answer(), [], 0
        self._unsent = b"%b%d\r\n\r\n%b" % (request.head, len(request.body), request.body)
        request.sent = True
        self._write()

    def step(self) -> Answer | None:
        """Go on with the request, now that the socket has something: the answer, once it is there. Raises OSError."""
        if self._unsent:
            self._write()
        while self._asked:
            try:
                data = self.socket.recv(RECORD_BYTES)
            except WAITS:
                return None
            except OSError as error:
                return self._broken(error)
            if not data:
                return self._broken(AnswerError("the connection was closed before the answer's end"))
            self._size += len(data)
            try:
                self._parser.feed_data(data)
            except HttpParserError as error:
                self.reusable = False
                if self._asked:
                    return self._broken(AnswerError(f"no HTTP: {type(error).__name__}"))
            if self._asked and self._size >= MAX_ANSWER_BYTES:
                return self._broken(AnswerError("an answer without an end"))
            if self._asked and not self._is_more_decrypted():
                return None
        return self._finished()

    def close(self) -> None:
        """Close at once, whatever is under way."""
        self.reusable = False
        self.socket.close()

    def on_message_begin(self) -> None:
        """See httptools: an answer begins. One that nobody asked for is not the next request's: no more requests."""
        if not self._asked:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools: one header of the answer."""
        if self._asked:
            self._answer.fields.append((name, value))

    def on_headers_complete(self) -> None:
        """See httptools: the status is known."""
        if self._asked:
            self._answer.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """See httptools: a part of the body."""
        if self._asked:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        """See httptools: the answer's end, or that of a word such as "100 Continue" before it."""
        if not self._asked:
            return
        if self._answer.status < 200:
            self._answer = Answer()
            return
        self._asked = False
        self._answer.whole = True
        # One that answers before it was told everything takes no other request.
        self.reusable = not self._unsent and self._parser.should_keep_alive()

    def _is_more_decrypted(self) -> bool:
        """Whether TLS holds more that was read, of which the socket says nothing."""
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0

    def _write(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except WAITS:
            return

    def _broken(self, error: OSError) -> Answer:
        """The connection is over: what came of an answer is one, if it has anything to say. Raises the error else."""
        self.reusable = False
        if self._answer.status and (self._chunks or self._answer.status != 200):
            return self._finished()
        raise error

    def _finished(self) -> Answer:
        self._answer.body = b"".join(self._chunks)
        return self._answer
