"""How answers are read: as leniently as browsers read them, and never without bounds.

Twisted's parser refuses what browsers show (a strange header name, blanks after a chunk's size), and lets a server send
headers, interim answers and tiny chunks for as long as the download may take.
"""

from collections.abc import Callable
from typing import Any, Final

from scrapy.core.downloader.handlers.http11 import _LenientHTTP11ClientProtocol, _LenientHTTPClientParser
from twisted.internet.interfaces import IAddress
from twisted.python.failure import Failure
from twisted.web._abnf import _istoken
from twisted.web._newclient import HTTPClientParser, ParseError
from twisted.web.client import _HTTP11ClientFactory
from twisted.web.http import _DataLoss

from spiders.errors import SpiderError

HEADER_BYTES: Final = 256 * 1024
"""Of all header lines of an answer, interim answers included; Chrome's bound too (kMaxHeaderBufSize)."""
LINE_BYTES: Final = 64 * 1024
"""Of one header line."""
INTERIM_ANSWERS: Final = 10
"""Answers such as 100 Continue before the real one (RFC 9110, section 15.2: "a client MUST be able to parse one or
more")."""
CHUNKS: Final = 200_000
"""Chunks of one body: a page of the largest size in chunks of 40 bytes, which nobody sends."""
FAULT: Final = b"x-crawlpush-fault"
"""Header under which a body's fault is handed on to the download handler; a server's own is dropped."""


class AnswerError(SpiderError):
    """An answer that breaks HTTP in a way that cannot be read over, or exceeds a bound; the message says how."""


class ChunkedBody:
    """Takes a chunked body apart (RFC 9112, section 7.1), with blanks around sizes and bare line feeds.

    The interface is that of Twisted's decoders. What one packet brings is handed on at once, so that tiny chunks
    cost little.
    """

    def __init__(self, on_data: Callable[[bytes], None], on_end: Callable[[bytes], None]) -> None:
        self._on_data = on_data
        self._on_end = on_end
        self._buffer = bytearray()
        # Bytes of the current chunk that are still to come; -1: a size line is next, -2: a trailer line.
        self._left = -1
        self._chunks = 0
        self._trailer_bytes = 0
        self._over = False

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take what a packet brought. Raises AnswerError."""
        self._buffer += data
        found: list[bytes] = []
        position = 0
        try:
            while not self._over and position < len(self._buffer):
                taken = self._take(position, found)
                if taken == position:
                    break
                position = taken
        finally:
            if found:
                self._on_data(b"".join(found))
        rest = bytes(self._buffer[position:])
        self._buffer = bytearray(rest)
        if self._over:
            self._on_end(rest)
        elif self._left < 0 and len(rest) > LINE_BYTES:
            raise AnswerError(f"a line between chunks is longer than {LINE_BYTES} bytes")

    def noMoreData(self) -> None:  # noqa: N802 - Twisted's name
        """The connection ended: data was lost unless the last chunk had come. Raises _DataLoss."""
        if not self._over:
            raise _DataLoss("the last chunk is missing")

    def _take(self, position: int, found: list[bytes]) -> int:
        """Take one line or piece of a chunk; where it ended, or `position` again when more must come first."""
        if self._left > 0:
            piece = bytes(self._buffer[position : position + self._left])
            found.append(piece)
            self._left -= len(piece)
            return position + len(piece)
        end = self._buffer.find(b"\n", position)
        if end < 0:
            return position
        line = bytes(self._buffer[position:end]).strip(b" \t\r")
        if self._left == 0:  # the line end that follows a chunk's data
            self._left = -1
            if not line:
                return end + 1
        if self._left == -2:
            self._trailer_bytes += len(line)
            if self._trailer_bytes > LINE_BYTES:
                raise AnswerError(f"the trailer is longer than {LINE_BYTES} bytes")
            self._over = not line
            return end + 1
        self._begin_chunk(line)
        return end + 1

    def _begin_chunk(self, line: bytes) -> None:
        size = line.partition(b";")[0].strip(b" \t")
        try:
            if not size.isalnum() or len(size) > 16:
                raise ValueError
            self._left = int(size, 16) or -2
        except ValueError:
            raise AnswerError(f"a chunk's size is {line[:40].decode('ascii', 'replace')!r}, no number") from None
        self._chunks += 1
        if self._chunks > CHUNKS:
            raise AnswerError(f"the body came in more than {CHUNKS} chunks")


class Parser(_LenientHTTPClientParser):
    """Scrapy's parser, which leaves out lines without a colon, more lenient still, and bounded."""

    MAX_LENGTH = LINE_BYTES
    # Not Twisted's, because the class is put onto a parser that was made already: without an __init__ of its own.
    _transferDecoders = {b"chunked": ChunkedBody}  # type: ignore[dict-item]  # noqa: N815, RUF012
    _header_bytes = 0
    _interim = 0

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's name
        """Count and read one line of the head."""
        self._header_bytes += len(line) + 1
        if self._header_bytes > HEADER_BYTES:
            raise AnswerError(f"the headers are longer than {HEADER_BYTES // 1024} KiB")
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002, N802 - Twisted's name
        """Give up."""
        raise AnswerError(f"a header line is longer than {LINE_BYTES // 1024} KiB")

    def statusReceived(self, status: bytes) -> None:  # noqa: N802 - Twisted's name
        """Read the status line, with blanks in any number."""
        try:
            super().statusReceived(b" ".join(status.split(None, 2)))  # type: ignore[no-untyped-call]
        except ParseError:
            shown = status[:60].decode("ascii", "replace")
            raise AnswerError(f"the server does not speak HTTP: its answer begins with {shown!r}") from None

    def headerReceived(self, name: bytes, value: bytes) -> None:  # noqa: N802 - Twisted's name
        """Keep a header; leave one out whose name is none."""
        name = name.strip(b" \t").lower()
        if _istoken(name) and name != FAULT:
            super().headerReceived(name, value)  # type: ignore[no-untyped-call]

    def allHeadersReceived(self) -> None:  # noqa: N802 - Twisted's name
        """Find out where the body ends, as browsers do: chunks before a length, a length that is no number is none."""
        self._interim += 100 <= self.response.code < 200
        if self._interim > INTERIM_ANSWERS:
            raise AnswerError(f"more than {INTERIM_ANSWERS} interim answers ({self.response.code}) and no real one")
        codings = b",".join(self.connHeaders.getRawHeaders(b"Transfer-Encoding", [])).lower()
        self.connHeaders.removeHeader(b"Transfer-Encoding")
        if codings.rpartition(b",")[2].strip() == b"chunked":
            self.connHeaders.setRawHeaders(b"Transfer-Encoding", [b"chunked"])
        lengths = b",".join(self.connHeaders.getRawHeaders(b"Content-Length", [])).split(b",")
        numbers = {int(each) for each in lengths if each.strip().isdigit()}
        self.connHeaders.removeHeader(b"Content-Length")
        if len(numbers) > 1 and not codings:
            raise AnswerError(f"it has several lengths, {', '.join(str(each) for each in sorted(numbers))}")
        if len(numbers) == 1:
            self.connHeaders.setRawHeaders(b"Content-Length", [b"%d" % each for each in numbers])
        super().allHeadersReceived()  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure | None = None) -> None:  # noqa: N802 - Twisted's name
        """Hand on why the body ended, which Twisted would keep to itself."""
        # Twisted gives a bare exception where an answer ended well.
        cause = getattr(reason, "value", None)
        if self.bodyDecoder is not None and isinstance(cause, AnswerError):
            self.response.headers.setRawHeaders(FAULT, [str(cause)])
        super().connectionLost(reason)


class Protocol(_LenientHTTP11ClientProtocol):
    """Reads with our parser."""

    def request(self, request: Any) -> Any:
        """Ask; see _LenientHTTP11ClientProtocol for why the parser's class is replaced."""
        answer = super().request(request)
        parser: HTTPClientParser | None = self._parser
        if parser is not None:
            parser.__class__ = Parser
        return answer


class Factory(_HTTP11ClientFactory):
    """Makes protocols that read with our parser."""

    noisy = False

    def buildProtocol(self, addr: IAddress | None) -> Protocol:  # noqa: ARG002, N802 - Twisted's name
        """Make one."""
        return Protocol(self._quiescentCallback)  # type: ignore[no-untyped-call]
