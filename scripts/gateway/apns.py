"""The APNs side: HTTP/2 over TLS, `POST /3/device/<token>`, one protocol object for each connection."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from scripts.gateway import apns_rules
from scripts.gateway.answers import Answer, apns_error
from scripts.gateway.faults import Disturbance
from scripts.gateway.state import GatewayState, reset_connection
from scripts.gateway.wire import (
    DataReceived,
    HPACKError,
    ProtocolError,
    RequestReceived,
    ServerConnection,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
    WindowUpdated,
    goaway_frame,
)

# A request's body is kept up to here; all beyond is only counted. APNs' own limit is 4,096 or 5,120 bytes.
_KEPT_BYTES = 8192
# How long a connection that goes away still reads, so that frames on their way do not reset it.
_LINGER_S = 1.0
# RFC 9113, section 7.
_ERROR_CODES = {"REFUSED_STREAM": 0x7, "INTERNAL_ERROR": 0x2, "CANCEL": 0x8}
_RECORDED = ("apns-topic", "apns-push-type", "apns-priority", "apns-expiration", "apns-collapse-id")


class _Stream:
    """One request while it comes in and until it is answered."""

    __slots__ = ("content", "headers", "size", "timer")

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self.headers = headers
        self.content = bytearray()
        self.size = 0
        self.timer: asyncio.TimerHandle | None = None


class APNsProtocol(asyncio.Protocol):
    """One connection of one environment (production or sandbox)."""

    def __init__(self, state: GatewayState, environment: str, connections: set["APNsProtocol"]) -> None:
        self._state = state
        self._environment = environment
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, _Stream] = {}
        self._blocked: deque[tuple[int, bytes]] = deque()
        self._requests = 0
        self._last_stream_id: int | None = None  # set once the connection is going away
        self._flush_is_due = False
        self._trusted = False
        self._limit = self._enforced_limit = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse a client that did not choose h2 by ALPN; greet the others."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        ssl_object = transport.get_extra_info("ssl_object")
        if ssl_object is None or ssl_object.selected_alpn_protocol() != "h2":
            self._state.refused_connections += 1
            transport.abort()
            return
        self._state.connections["apns"] += 1
        self._connections.add(self)
        faults = self._state.plan.faults
        self._limit = 1 if faults.one_stream_first else faults.max_streams
        # Until the client has seen the limit it may open any number.
        self._enforced_limit = 1_000_000
        self._h2 = ServerConnection(max_streams=self._limit)
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            RequestReceived: self._request_received,
            DataReceived: self._data_received,
            StreamEnded: self._stream_ended,
            StreamReset: self._stream_reset,
            WindowUpdated: self._send_blocked,
            SettingsAcknowledged: self._settings_acknowledged,
        }
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the connection and what it still owed."""
        self._connections.discard(self)
        for stream in self._streams.values():
            if stream.timer is not None:
                stream.timer.cancel()
        self._streams.clear()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Take what the client sent; a protocol error ends the connection with GOAWAY."""
        if self._transport is None or self._transport.is_closing():
            return
        try:
            for event in self._h2.receive_data(data):
                handler = self._handlers.get(event.__class__)
                if handler is not None:
                    handler(event)
        except (ProtocolError, HPACKError, ValueError):
            self._flush()
            if self._transport is not None:
                self._transport.close()
            return
        self._flush()

    def allow_streams(self, limit: int) -> None:
        """Announce another number of concurrent streams, once the client has shown a good provider token."""
        if self._trusted and limit != self._limit:
            self._limit = limit
            self._h2.allow_streams(limit)
            self._flush()

    def close(self) -> None:
        """End the connection at once, telling the client which streams were read."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(goaway_frame(self._h2.highest_inbound_stream_id))
            self._transport.close()
            self._loop.call_later(0.1, self.abort)

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    # What the client's frames mean

    def _request_received(self, event: RequestReceived) -> None:
        stream_id = event.stream_id
        if self._last_stream_id is not None:
            return  # The client opened it before it read GOAWAY: it is not processed.
        if len(self._streams) >= self._enforced_limit:
            self._reset_stream(stream_id, _ERROR_CODES["REFUSED_STREAM"])
            return
        self._streams[stream_id] = _Stream(event.headers)
        self._requests += 1
        if self._requests == self._state.plan.faults.goaway_after and self._state.plan.faults.scope != "fcm":
            self._go_away(stream_id)

    def _data_received(self, event: DataReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.size += len(event.data)
            if stream.size <= _KEPT_BYTES:
                stream.content += event.data
            if stream.size > _KEPT_BYTES and event.flow_controlled_length:
                # Smaller bodies fit the first window, and credit for them would go to waste.
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def _stream_ended(self, event: StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        disturbance = self._state.plan.next("apns")
        apns_id, answer = "", disturbance.answer
        if disturbance.delivered:
            apns_id, answer = self._judge(stream)
        if answer is not None and answer.code:
            self._state.record.refused("apns", answer.code)
        if disturbance.delay_s:
            arguments = (event.stream_id, disturbance, apns_id, answer)
            stream.timer = self._loop.call_later(disturbance.delay_s, self._finish, *arguments)
        else:
            self._finish(event.stream_id, disturbance, apns_id, answer)

    def _stream_reset(self, event: StreamReset) -> None:
        self._drop(event.stream_id)

    def _settings_acknowledged(self, _event: SettingsAcknowledged) -> None:
        self._enforced_limit = self._limit

    # The verdict

    def _judge(self, stream: _Stream) -> tuple[str, Answer]:
        """Return the apns-id and APNs' answer, recording the message when it is accepted."""
        headers = dict(stream.headers)
        apns_id = headers.get("apns-id", "")
        if len(headers) != len(stream.headers):
            return apns_id, apns_error("DuplicateHeaders")
        state = self._state
        refusal = apns_rules.check_target(headers) or state.provider_tokens.refusal(
            headers.get("authorization"), strict=state.plan.faults.strict_provider_tokens
        )
        if refusal is not None:
            return apns_id, refusal
        if not self._trusted:
            self._trusted = True
            self.allow_streams(state.plan.faults.max_streams)
        checked = apns_rules.check_request(headers, bytes(stream.content), stream.size)
        if isinstance(checked, Answer):
            return apns_id, checked
        if state.plan.faults.environment(checked.token) != self._environment:
            return checked.apns_id, apns_error("BadDeviceToken")
        token_answer = state.plan.token_answer("apns", checked.token)
        if token_answer is not None:
            return checked.apns_id, token_answer
        kept = {name: headers[name] for name in _RECORDED if name in headers}
        state.record.accept(
            platform="apns",
            environment=self._environment,
            token=checked.token,
            tag=checked.collapse_id,
            content=bytes(stream.content),
            headers={**kept, "apns-id": checked.apns_id},
        )
        return checked.apns_id, Answer(status=200)

    # The way back

    def _finish(self, stream_id: int, disturbance: Disturbance, apns_id: str, answer: Answer | None) -> None:
        if self._transport is None or stream_id not in self._streams:
            return
        try:
            self._carry_out(stream_id, disturbance, apns_id, answer)
        except ProtocolError:
            # The client said goodbye (h2 sends nothing after the peer's GOAWAY): nobody waits for the answer.
            self.abort()

    def _carry_out(self, stream_id: int, disturbance: Disturbance, apns_id: str, answer: Answer | None) -> None:
        if disturbance.manner == "reset":
            reset_connection(self._transport)
        elif disturbance.manner == "rst_stream":
            self._reset_stream(stream_id, _ERROR_CODES[self._state.plan.faults.rst_stream_code])
        elif disturbance.manner == "answer" and answer is not None:
            self._answer(stream_id, answer, apns_id, disturbance.drip_s)

    def _answer(self, stream_id: int, answer: Answer, apns_id: str, drip_s: float) -> None:
        headers = [(":status", str(answer.status))]
        if apns_id:
            headers.append(("apns-id", apns_id))
        headers.extend(answer.headers)
        if answer.body:
            headers.append(("content-type", answer.content_type))
        self._h2.send_headers(stream_id, headers, end_stream=not (answer.body or drip_s))
        if drip_s:
            later = self._loop.call_later(drip_s, self._drip, stream_id, answer.body, drip_s)
            self._streams[stream_id].timer = later
        elif answer.body:
            self._blocked.append((stream_id, answer.body))
            self._send_blocked()
        else:
            self._drop(stream_id)
        self._flush_soon()

    def _drip(self, stream_id: int, rest: bytes, drip_s: float) -> None:
        """Send one byte of the body and come back for the next; the last one ends the stream."""
        stream = self._streams.get(stream_id)
        if stream is None or self._transport is None:
            return
        if len(rest) <= 1:
            self._blocked.append((stream_id, rest))
            self._send_blocked()
            return
        if self._h2.local_flow_control_window(stream_id):
            self._h2.send_data(stream_id, rest[:1])
            rest = rest[1:]
        stream.timer = self._loop.call_later(drip_s, self._drip, stream_id, rest, drip_s)
        self._flush_soon()

    def _send_blocked(self, _event: WindowUpdated | None = None) -> None:
        """Send the bodies that the client's flow control window has room for, in order."""
        for _ in range(len(self._blocked)):
            stream_id, body = self._blocked.popleft()
            if stream_id not in self._streams:
                continue
            if len(body) > self._h2.local_flow_control_window(stream_id):
                self._blocked.append((stream_id, body))
                continue
            self._h2.send_data(stream_id, body, end_stream=True)
            self._drop(stream_id)
        self._flush_soon()

    def _reset_stream(self, stream_id: int, error_code: int) -> None:
        self._h2.reset_stream(stream_id, error_code=error_code)
        self._drop(stream_id)
        self._flush_soon()

    def _drop(self, stream_id: int) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None and stream.timer is not None:
            stream.timer.cancel()
        self._h2.forget(stream_id)
        if self._last_stream_id is not None and not self._streams:
            self._loop.call_later(_LINGER_S, self.abort)

    def _go_away(self, last_stream_id: int) -> None:
        self._last_stream_id = last_stream_id
        self._state.plan.count("goaway")
        self._flush()
        if self._transport is not None:
            self._transport.write(goaway_frame(last_stream_id))

    def _flush_soon(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        data = self._h2.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)
