"""The HTTP/2 connection underneath apns2's client, in place of hyper's.

hyper 0.7.0's HTTP20Connection cannot be made to survive what APNs does, so it alone is replaced (hyper's other parts
are not used, h2 below it stays, see http2_state.py):
- a GOAWAY with code 0 closes it in the middle of reading: answers under way are lost, and so is last-stream-id, the
  only thing that says which messages are safe to send again;
- a RST_STREAM loses its error code (REFUSED_STREAM is safe to send again, others are not), and the frames that follow
  it for other streams end in a KeyError;
- it has no time-outs: connecting, reading, and waiting for the flow control window block for ever;
- a body of exactly 1,024, 2,048, 3,072 or 4,096 bytes never gets its END_STREAM, and so never an answer;
- it writes three times per request, one of them empty, and waits for Nagle and the delayed ACK.
This one lives on an event loop, writes once for many requests, and tells its owner of every stream exactly once what
became of it.
"""

import asyncio
import contextlib
import enum
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.push.apns.compat import h2, hpack

MAX_STREAMS = 1000
"""More at once than this helps nobody, whatever the server allows (Apple has been seen to say 1,000)."""
MAX_REQUESTS = 500_000
"""Requests after which a connection is replaced: stream ids are finite, and so is trust in old connections."""
MAX_ANSWER_BYTES = 16_384
SHUTDOWN_S = 2.0
"""How long a TLS connection may say goodbye; asyncio's half minute is for peers that answer."""
_REFUSED_STREAM = 7
_CANCEL = 8


@dataclass(frozen=True)
class Response:
    """A complete answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Loss(enum.Enum):
    """What is known of a request that got no answer."""

    UNPROCESSED = "unprocessed"
    """The connection went away, and the server has certainly not handled this request."""
    REFUSED = "refused"
    """The server turned this one request away, certainly without handling it."""
    UNKNOWN = "unknown"
    """It may have been handled."""


class Owner(Protocol):
    """Whoever opened the connection. For each stream either answered() or lost() is called, once."""

    def answered(self, stream_id: int, response: Response) -> None:
        """A stream got its answer."""
        ...

    def lost(self, stream_id: int, loss: Loss, reason: str) -> None:
        """A stream will get no answer."""
        ...

    def capacity_changed(self) -> None:
        """The connection can take more requests, or none any more."""
        ...


@dataclass
class _Stream:
    unsent: bytes
    """What flow control has not let out yet of the body."""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class HTTP2Connection(asyncio.Protocol):
    """One client connection. All methods belong to its event loop's thread; request() is what apns2's client calls."""

    def __init__(self, host: str, port: int, owner: Owner, state: Any) -> None:
        """state: a ClientState. Nothing is opened before open()."""
        self.host, self.port = host, port
        self.proven = False
        """Set by the owner after the first authenticated answer; until then one stream is allowed (Apple)."""
        self.going_away = False
        """No new streams: the server said so, the connection is old, or it is gone."""
        self.received_at = time.monotonic()
        """Monotonic time of the last byte from the server: silence for long is suspicious."""
        self.unanswered_since: float | None = None
        """Monotonic time since when something has been wanted of the server and nothing has come to an end."""
        self.extra_headers: Mapping[str, str] = {}
        """Headers that apns2's client has no parameter for; added to every request."""
        self._owner = owner
        self._state = state
        self._streams: dict[int, _Stream] = {}
        self._blocked: dict[int, _Stream] = {}
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._settled = self._loop.create_future()
        self._out: list[bytes] = []
        self._flushing = False
        self._paused = False
        self._requests = 0
        self._pings: list[asyncio.Future[None]] = []
        self._handlers: dict[type, Callable[[Any], None]] = {
            h2.events.ResponseReceived: self._on_response,
            h2.events.DataReceived: self._on_data,
            h2.events.StreamEnded: self._on_end,
            h2.events.StreamReset: self._on_reset,
            h2.events.ConnectionTerminated: self._on_goaway,
            h2.events.RemoteSettingsChanged: self._on_settings,
            h2.events.WindowUpdated: self._on_window,
            h2.events.PingAcknowledged: self._on_pong,
        }

    async def open(self, context: ssl.SSLContext, timeout_s: float) -> None:
        """Connect and wait for the server's SETTINGS. Raises OSError (TimeoutError too) and leaves nothing open."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._loop.create_connection(
                    lambda: self,
                    self.host,
                    self.port,
                    ssl=context,
                    server_hostname=self.host,
                    ssl_handshake_timeout=timeout_s,
                    ssl_shutdown_timeout=SHUTDOWN_S,
                )
                await asyncio.shield(self._settled)
        except BaseException:
            self.abort()
            raise

    @property
    def capacity(self) -> int:
        """How many requests may be made now."""
        if self.going_away or self._paused or self._blocked or self._transport is None:
            return 0
        ours = MAX_STREAMS if self.proven else 1
        allowed = min(int(self._state.remote_settings.max_concurrent_streams), ours)
        return max(allowed - len(self._streams), 0)

    def request(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Queue a request and return its stream id, with hyper's signature. Only when capacity is not 0."""
        stream_id: int = self._state.get_next_available_stream_id()
        # Apple, "Sending notification requests to APNs": path and authorization as literals without indexing; ids that
        # differ from message to message would only push the useful lines out of the small header table.
        block: list[Any] = [
            (":method", method),
            (":scheme", "https"),
            (":authority", self.host),
            hpack.NeverIndexedHeaderTuple(":path", url),
        ]
        for name, value in (*headers.items(), *self.extra_headers.items()):
            varies = name in {"authorization", "apns-id", "apns-collapse-id", "apns-expiration"}
            block.append(hpack.NeverIndexedHeaderTuple(name, value) if varies else (name, value))
        self._state.send_headers(stream_id, block)
        self._streams[stream_id] = stream = _Stream(unsent=body)
        self._send_body(stream_id, stream)
        self.wanted()
        self._requests += 1
        if self._requests >= MAX_REQUESTS:
            self.going_away = True
        self._flush_soon()
        return stream_id

    def wanted(self) -> None:
        """Somebody waits for this connection: from now on it has to bring something."""
        if self.unanswered_since is None:
            self.unanswered_since = time.monotonic()

    def _progressed(self) -> None:
        """The server ended a stream. One that we gave up does not count."""
        self.unanswered_since = time.monotonic() if self._streams else None

    def cancel(self, stream_id: int) -> None:
        """Give up a stream; the owner is not told again."""
        if self._streams.pop(stream_id, None) is None:
            return
        self._blocked.pop(stream_id, None)
        with contextlib.suppress(h2.exceptions.ProtocolError):  # when the state machine has already seen its end
            self._state.reset_stream(stream_id, _CANCEL)
        self._state.forget(stream_id)
        self._flush_soon()
        self._close_when_drained()

    async def ping(self, timeout_s: float) -> bool:
        """Whether the server still answers. A NAT that forgot an idle connection swallows everything in silence."""
        pong: asyncio.Future[None] = self._loop.create_future()
        self._pings.append(pong)
        try:
            self._state.ping(b"crawlpsh")
            self._flush_soon()
            await asyncio.wait_for(pong, timeout_s)
        except (TimeoutError, ConnectionError, h2.exceptions.ProtocolError):
            return False
        return True

    def abort(self) -> None:
        """Drop the connection; streams without an answer are lost."""
        self.going_away = True
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Say goodbye and close; streams without an answer are lost."""
        self.going_away = True
        if self._transport is not None:
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._state.close_connection()
            self._flush()
            self._transport.close()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is up: check the protocol and send the preface."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._fail_open(ConnectionError(f"{self.host} does not speak HTTP/2"))
            transport.abort()
            return
        transport.set_write_buffer_limits(high=1 << 20)
        self._state.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Bytes from the server."""
        self.received_at = time.monotonic()
        try:
            for event in self._state.receive_data(data):
                handler = self._handlers.get(type(event))
                if handler is not None:
                    handler(event)
            if self._state.is_flooded:
                raise ValueError("a frame is larger than was agreed")
        except Exception as error:
            self._fail_open(ConnectionError(f"{self.host} broke the protocol: {type(error).__name__}"))
            self._flush()
            self.abort()
            return
        self._flush_soon()
        self._close_when_drained()
        self._owner.capacity_changed()

    def eof_received(self) -> bool:
        """The server closed its side: so do we."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, for whatever reason: every open stream is settled."""
        self.going_away = True
        self._transport = None
        reason = f"connection lost: {type(exc).__name__}" if exc else "connection closed"
        self._fail_open(ConnectionError(reason))
        for pong in self._pings:
            if not pong.done():
                pong.set_exception(ConnectionError(reason))
        for stream_id in list(self._streams):
            # A request whose body is not complete cannot have been handled.
            whole = stream_id not in self._blocked
            self._lose(stream_id, Loss.UNKNOWN if whole else Loss.UNPROCESSED, reason)
        self._owner.capacity_changed()

    def pause_writing(self) -> None:
        """The network takes no more for now."""
        self._paused = True

    def resume_writing(self) -> None:
        """It does again."""
        self._paused = False
        self._owner.capacity_changed()

    # What the server says.

    def _on_response(self, event: Any) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
            stream.status = int(stream.headers.pop(":status"))

    def _on_data(self, event: Any) -> None:
        self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream is not None and len(stream.body) < MAX_ANSWER_BYTES:
            stream.body += event.data

    def _on_end(self, event: Any) -> None:
        self._answer(event.stream_id)

    def _on_reset(self, event: Any) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        if stream.status:  # answered before the request was read to its end, then reset: the answer counts
            self._answer(event.stream_id)
            return
        code = int(event.error_code)
        loss = Loss.REFUSED if code == _REFUSED_STREAM else Loss.UNKNOWN
        self._progressed()
        self._lose(event.stream_id, loss, f"RST_STREAM {_code_name(code)}")

    def _on_goaway(self, event: Any) -> None:
        self.going_away = True
        self._fail_open(ConnectionError(f"{self.host} sent GOAWAY"))
        detail = bytes(event.additional_data[:200]).decode("utf-8", "replace")
        reason = f"GOAWAY {_code_name(int(event.error_code))} {detail}".strip()
        for stream_id in [each for each in self._streams if each > event.last_stream_id]:
            self._lose(stream_id, Loss.UNPROCESSED, reason)

    def _on_settings(self, _event: Any) -> None:
        if not self._settled.done():
            self._settled.set_result(None)
        self._send_blocked()  # a larger INITIAL_WINDOW_SIZE opens windows too

    def _on_window(self, _event: Any) -> None:
        self._send_blocked()

    def _on_pong(self, _event: Any) -> None:
        for pong in self._pings:
            if not pong.done():
                pong.set_result(None)
        self._pings.clear()

    # The small steps.

    def _answer(self, stream_id: int) -> None:
        if stream_id in self._blocked:  # answered before the whole request was sent: the rest is not wanted
            self._state.reset_stream(stream_id, _CANCEL)
        stream = self._forget(stream_id)
        if stream is not None:
            self._progressed()
            self._owner.answered(stream_id, Response(stream.status, stream.headers, bytes(stream.body)))

    def _lose(self, stream_id: int, loss: Loss, reason: str) -> None:
        if self._forget(stream_id) is not None:
            self._owner.lost(stream_id, loss, reason)

    def _forget(self, stream_id: int) -> _Stream | None:
        self._blocked.pop(stream_id, None)
        self._state.forget(stream_id)
        return self._streams.pop(stream_id, None)

    def _send_body(self, stream_id: int, stream: _Stream) -> None:
        """Send as much of a body as flow control allows; the rest follows with the next window update."""
        while stream.unsent:
            room = min(self._state.local_flow_control_window(stream_id), self._state.max_outbound_frame_size)
            if room <= 0:
                self._blocked[stream_id] = stream
                return
            chunk, stream.unsent = stream.unsent[:room], stream.unsent[room:]
            self._state.send_data(stream_id, chunk, end_stream=not stream.unsent)
        self._blocked.pop(stream_id, None)

    def _send_blocked(self) -> None:
        for stream_id, stream in list(self._blocked.items()):
            self._send_body(stream_id, stream)

    def _flush_soon(self) -> None:
        """Write once for all requests of this turn of the loop."""
        self._out.append(self._state.data_to_send())
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._out.append(self._state.data_to_send())
        data = b"".join(self._out)
        self._out.clear()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _fail_open(self, error: Exception) -> None:
        if not self._settled.done():
            self._settled.set_exception(error)
            self._settled.exception()  # seen: open() may already have given up

    def _close_when_drained(self) -> None:
        if self.going_away and not self._streams and self._transport is not None:
            self.close()


def _code_name(code: int) -> str:
    try:
        return str(h2.errors.ErrorCodes(code).name)
    except ValueError:
        return str(code)
