"""An HTTP/2 server over TLS that does exactly what a test's script says, one connection after another."""

import asyncio
import ssl
import threading
from contextlib import contextmanager
from pathlib import Path

from pipeline.push.apns.compat import h2, hyperframe
from tests.support.waiting import SECONDS


class Connection(asyncio.Protocol):
    """One connection. A script overrides `request` and whatever else it needs."""

    # Settings that are sent at once; None leaves HTTP/2's default.
    max_streams = None
    initial_window = None

    def __init__(self, server):
        self.server = server
        # Before TLS is agreed on there is none.
        self.transport = None
        self.number = len(server.connections) + 1
        self.bodies = {}
        self.deaf = False  # swallow everything that comes, as a NAT that forgot the connection does
        server.connections.append(self)

    def connection_made(self, transport):
        self.transport = transport
        self.h2 = h2.connection.H2Connection(
            config=h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        self.h2.initiate_connection()
        self.change_settings(max_streams=self.max_streams, initial_window=self.initial_window)
        self.flush()
        self.opened()

    def data_received(self, data):
        if self.deaf or self.transport.is_closing():
            return
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self.bodies[event.stream_id] = b""
                self.started(event.stream_id, dict(event.headers))
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id] += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.server.requests.append((self.number, event.stream_id, self.bodies[event.stream_id]))
                self.request(event.stream_id)
        self.flush()

    # What scripts override.

    def opened(self):
        """The connection is up."""

    def started(self, stream_id, headers):
        """The head of a request is there."""

    def request(self, stream_id):
        """A request is complete."""
        self.answer(stream_id)

    # What scripts do.

    def answer(self, stream_id, status=200, body=b""):
        """Answer a request."""
        self.h2.send_headers(stream_id, [(":status", str(status))], end_stream=not body)
        if body:
            self.h2.send_data(stream_id, body, end_stream=True)
        self.flush()

    def change_settings(self, *, max_streams=None, initial_window=None):
        """Announce other settings."""
        codes = {h2.settings.MAX_CONCURRENT_STREAMS: max_streams, h2.settings.INITIAL_WINDOW_SIZE: initial_window}
        changed = {code: value for code, value in codes.items() if value is not None}
        if changed:
            self.h2.update_settings(changed)
        self.flush()

    def frame(self, frame):
        """Send a frame as it is, whatever the protocol says about it."""
        self.flush()
        self.transport.write(frame.serialize())

    def goaway(self, last_stream_id, code=0, reason=b""):
        """Say that the connection is about to end."""
        frame = hyperframe.frame.GoAwayFrame(0)
        frame.last_stream_id, frame.error_code, frame.additional_data = last_stream_id, code, reason
        self.frame(frame)

    def flush(self):
        """Write what h2 has ready."""
        data = self.h2.data_to_send()
        if data and not self.transport.is_closing():
            self.transport.write(data)


class ScriptedServer:
    """What a running server saw."""

    def __init__(self):
        self.connections = []
        self.requests = []  # (connection number, stream id, body), complete ones only
        self.url = ""


@contextmanager
def scripted_server(config, script):
    """Run a server on a free port, in a thread, with the gateway's certificate. `script` is a kind of Connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(config.ca_file).parent / "server.pem")
    context.set_alpn_protocols(["h2"])
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="scripted-server", daemon=True)
    thread.start()
    seen = ScriptedServer()

    async def start():
        return await loop.create_server(lambda: script(seen), "127.0.0.1", 0, ssl=context)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(SECONDS)
    seen.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield seen
    finally:
        loop.call_soon_threadsafe(_stop, loop, server, seen)
        thread.join(SECONDS)
        loop.close()


def _stop(loop, server, seen):
    server.close()
    for connection in seen.connections:
        if connection.transport is not None:
            connection.transport.abort()
    loop.call_soon(loop.stop)
