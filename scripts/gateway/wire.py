"""The HTTP/2 of h2 2.6, the version beside which apns2 can be installed, made fit for a busy server."""

from itertools import islice
from typing import Any

from pipeline.push.apns.compat import h2, hpack, hyperframe

DataReceived = h2.events.DataReceived
RequestReceived = h2.events.RequestReceived
SettingsAcknowledged = h2.events.SettingsAcknowledged
StreamEnded = h2.events.StreamEnded
StreamReset = h2.events.StreamReset
WindowUpdated = h2.events.WindowUpdated
HPACKError = hpack.HPACKError
ProtocolError = h2.exceptions.ProtocolError
SettingCodes = h2.settings.SettingCodes

# How many ended streams h2 remembers, for frames that were on their way when they ended.
_REMEMBERED = 2000
# RFC 9113, 6.9.1: a window is at most 2**31 - 1; it starts with 65,535.
_WINDOW = 2**31 - 1 - 65_535
# RFC 9113, 4.1: length, type, flags and stream id.
_FRAME_HEAD = 9
# At every frame h2 copies all that it was given and has not read yet, so it is given a little at a time.
_PIECE_BYTES = 4096


class ServerConnection(h2.connection.H2Connection):  # type: ignore[misc] # h2 is not typed
    """h2's server connection for hundreds of streams at once and connections that live for hours.

    h2 counts the open streams at every new one by walking over all of them, closes the connection when a client
    goes over the limit or credits an ended stream, and remembers every stream that ever was. Here the owner counts
    and refuses streams, credit for an ended stream is ignored (RFC 9113, 5.1), and memory is bounded.
    """

    def __init__(self, *, max_streams: int) -> None:
        super().__init__(config=h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        initial = {SettingCodes.MAX_CONCURRENT_STREAMS: max_streams, SettingCodes.MAX_HEADER_LIST_SIZE: 65_536}
        self.local_settings = h2.settings.Settings(client=False, initial_values=initial)

    def initiate_connection(self) -> None:
        """Send the first SETTINGS, and a window for the connection that requests never fill.

        Data of a refused stream is never credited, so a small window would leak away.
        """
        super().initiate_connection()
        self.increment_flow_control_window(_WINDOW)

    @property
    def open_inbound_streams(self) -> int:
        """Nothing, for h2's own limit; the owner of the connection keeps count."""
        return 0

    def receive_data(self, data: bytes) -> list[Any]:
        """Return the events of received bytes. h2 would wait for the end of a frame however long it says it is."""
        events: list[Any] = []
        for start in range(0, len(data), _PIECE_BYTES):
            events += super().receive_data(data[start : start + _PIECE_BYTES])
            if len(self.incoming_buffer.data) > self.max_inbound_frame_size + _FRAME_HEAD:
                raise ProtocolError("The client sent a frame above the maximum size.")
        return events

    def allow_streams(self, max_streams: int) -> None:
        """Announce another limit of concurrent streams."""
        self.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: max_streams})

    def forget(self, stream_id: int) -> None:
        """Let go of a stream that both sides ended, or that was reset."""
        stream = self.streams.get(stream_id)
        if stream is None or not stream.closed:
            return
        del self.streams[stream_id]
        self._closed_streams[stream_id] = stream.closed_by
        if len(self._closed_streams) > _REMEMBERED:
            for old in list(islice(self._closed_streams, _REMEMBERED // 2)):
                del self._closed_streams[old]

    def _receive_window_update_frame(self, frame: Any) -> Any:
        if frame.stream_id and frame.stream_id not in self.streams:
            return [], []
        return super()._receive_window_update_frame(frame)


def goaway_frame(last_stream_id: int) -> bytes:
    """Return a GOAWAY that lets the streams up to `last_stream_id` finish.

    h2 2.6 can send nothing more after its own GOAWAY; a server that goes away in peace still answers.
    """
    frame = hyperframe.frame.GoAwayFrame(stream_id=0, last_stream_id=last_stream_id, error_code=0)
    return bytes(frame.serialize())
