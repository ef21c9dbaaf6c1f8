"""h2's client state machine, corrected where a connection to APNs needs it. No I/O.

Four things differ from h2 2.6.2 (the newest that apns2 allows):
- After a GOAWAY h2 refuses everything that follows; RFC 9113, 6.8 lets the server finish the streams it has accepted,
  and their answers are the difference between "delivered" and "unknown".
- A frame that arrives late for a finished stream ends the whole connection in h2; here it is ignored, as RFC 9113, 5.1
  allows.
- h2 waits for the end of a frame before it looks at its length: a server that answers with something else than HTTP/2
  would be waited for.
- h2 counts the open streams by walking through all of them for every request, and keeps a note of each finished stream
  for ever; here the owner counts, and finished streams are forgotten.
"""

from functools import lru_cache
from typing import Any

from pipeline.push.apns.compat import h2, hpack, hyperframe


class PlainEncoder(hpack.Encoder):  # type: ignore[misc]
    """HPACK without Huffman coding: our values are tokens and ids, where it saves a fifth and costs half of the CPU.

    hpack searches its table for every header of every request. Here it is asked once for each that may stand there, and
    again when the lines have moved; a header that never may is written without it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[Any, bytes] = {}

    @property
    def header_table_size(self) -> int:
        """The size of the table, in bytes as HPACK counts them."""
        return int(self.header_table.maxsize)

    @header_table_size.setter
    def header_table_size(self, size: int) -> None:
        # hpack forgets a change that it has not told yet when the size that it has is set once more.
        if size != self.header_table_size:
            hpack.Encoder.header_table_size.fset(self, size)

    def encode(self, headers: Any, huffman: bool = False) -> bytes:  # noqa: ARG002
        """Encode a header block."""
        resized = b""
        if self.header_table.resized:
            self._lines.clear()
            resized = bytes(super().encode([], huffman=False))
        return resized + b"".join(
            [
                _literal(*header)
                if type(header) is hpack.NeverIndexedHeaderTuple
                else self._lines.get(header) or self._line(header)
                for header in headers
            ]
        )

    def _line(self, header: Any) -> bytes:
        """A header that may stand in the table, as a line of that or as a new one."""
        encoded = bytes(super().encode([header], huffman=False))
        # RFC 7541, 6.1: the first bit says that it is there.
        if encoded[0] & 0x80:
            self._lines[header] = encoded
        else:
            self._lines.clear()
        return encoded


def _literal(name: str, value: str) -> bytes:
    """A header that never stands in a table (RFC 7541, 6.2.3)."""
    written = value.encode()
    return _name(name) + _size(len(written)) + written


@lru_cache(maxsize=32)
def _name(name: str) -> bytes:
    # As one with an empty value, without the byte that says so; a new encoder knows the lines that each table has.
    encoded = hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(name, "")], huffman=False)
    return bytes(encoded[:-1])


@lru_cache(maxsize=1024)
def _size(size: int) -> bytes:
    """The length of a string that is not Huffman-coded (RFC 7541, 5.1 and 5.2)."""
    return bytes(hpack.hpack.encode_integer(size, 7))


class ClientState(h2.connection.H2Connection):  # type: ignore[misc]
    """An h2 connection, client side, headers as bytes."""

    def __init__(self) -> None:
        super().__init__(
            config=h2.config.H2Configuration(
                client_side=True,
                header_encoding=None,
                # Our own headers are lower case and complete; checking each of them costs a tenth of the CPU.
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.encoder = PlainEncoder()

    @property
    def open_outbound_streams(self) -> int:
        """Zero: the owner keeps to the server's limit itself."""
        return 0

    @property
    def is_flooded(self) -> bool:
        """Whether the frame that is coming in announces more bytes than we allow."""
        waiting = self.incoming_buffer.data
        return len(waiting) >= 3 and int.from_bytes(waiting[:3], "big") > self.max_inbound_frame_size

    def forget(self, stream_id: int) -> None:
        """Drop a finished stream."""
        self.streams.pop(stream_id, None)

    def _receive_goaway_frame(self, frame: Any) -> tuple[list[Any], list[Any]]:
        event = h2.events.ConnectionTerminated()
        event.error_code = frame.error_code
        event.last_stream_id = frame.last_stream_id
        event.additional_data = frame.additional_data or b""
        return [], [event]

    def _receive_frame(self, frame: Any) -> list[Any]:
        stream_id = frame.stream_id
        if stream_id % 2 and stream_id <= self.highest_outbound_stream_id:
            stream = self.streams.get(stream_id)
            if stream is None or stream.closed:
                self._receive_late(frame)
                return []
        return super()._receive_frame(frame)  # type: ignore[no-any-return]

    def _receive_late(self, frame: Any) -> None:
        """Keep what both ends count together (header table, connection window) in step; ignore the rest."""
        if isinstance(frame, hyperframe.frame.HeadersFrame):
            self.decoder.decode(frame.data, raw=True)
        elif isinstance(frame, hyperframe.frame.DataFrame):
            size = frame.flow_controlled_length
            self._inbound_flow_control_window_manager.window_consumed(size)
            increment = self._inbound_flow_control_window_manager.process_bytes(size)
            if increment:
                update = hyperframe.frame.WindowUpdateFrame(0)
                update.window_increment = increment
                self._prepare_for_sending([update])
