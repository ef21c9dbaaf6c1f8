"""A server that speaks Redis's protocol and answers each command with the same error."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import IO, Self, cast


class RefusingRedis:
    """What a Redis answers that is there and does nothing: one that loads its data, say."""

    def __init__(self, answer: str) -> None:
        """answer: its first word is the error's name, as in `LOADING Redis is loading the dataset in memory`."""
        self.answer = f"-{answer}\r\n".encode()
        self._server = _Server(("127.0.0.1", 0), _Conversation)
        self._server.owner = self
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    owner: RefusingRedis


class _Conversation(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        with suppress(OSError, ValueError):
            for _ in _commands(cast("IO[bytes]", self.rfile)):
                self.wfile.write(self.server.owner.answer)


def _commands(stream: IO[bytes]) -> Iterator[None]:
    """Read commands, which are arrays of bulk strings; raises ValueError for anything else."""
    while line := stream.readline():
        for _ in range(int(line[1:])):
            stream.read(int(stream.readline()[1:]) + len(b"\r\n"))
        yield
