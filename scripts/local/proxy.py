"""A TCP proxy on loopback that can be cut, mended, and held at a word: a server that goes away, as clients see it."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from scripts.local.embedded_redis import free_port

CHUNK = 16_384


class Proxy:
    """Forwards connections to a server whose port may change; with `tls`, a client must speak TLS."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.target = port
        self._tls = tls
        self._hold: Callable[[bytes], bool] = lambda _: False
        self._held = threading.Event()
        self._connections: set[socket.socket] = set()
        self._swallowed: set[socket.socket] = set()
        self._lock = threading.Lock()
        # It stays ours while we are cut.
        self.port = free_port()
        self._listener = self._listen()

    def _listen(self) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def cut(self) -> None:
        """Refuse new connections and break those that are there."""
        # shutdown() wakes the thread that waits in accept(); close() alone would leave it, and the port, there.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._break()

    def lead_to(self, port: int) -> None:
        """Break the connections that are there; new ones lead to another server."""
        self.target = port
        self._break()

    def _break(self) -> None:
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def swallow(self) -> None:
        """Let nothing more through the connections that are there, without breaking them; new ones work."""
        with self._lock:
            self._swallowed |= self._connections

    def mend(self) -> None:
        """Take connections again, on the same port."""
        self._listener = self._listen()

    def hold_at(self, word: bytes, *, passing: int = 0) -> None:
        """Let nothing more of a connection through once a client has sent a word, after so many pieces with it."""
        left = [passing]

        def hold(data: bytes) -> bool:
            if word not in data:
                return False
            left[0] -= 1
            return left[0] < 0

        self._hold = hold

    def wait_until_held(self, seconds: float) -> bool:
        """Whether a connection was held within the time. What comes after is let through again."""
        held = self._held.wait(seconds)
        self._hold = lambda _: False
        return held

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                if self._tls is not None:
                    client = self._tls.wrap_socket(client, server_side=True)
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._connections |= {client, server}
            threading.Thread(target=self._forward, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, False), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if source in self._swallowed:
                    continue
                if from_client and self._hold(data):
                    self._held.set()
                    # Nothing passes any more; the end comes when the client dies.
                    while source.recv(CHUNK):
                        pass
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._connections -= {source, sink}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
