"""HTTP/1.1 over a pool of kept connections to one server, many requests at once in the caller's own thread.

It costs a fraction of the CPU of a general client on an event loop (docs/benchmarks.md): one selector for all
connections of a batch, and nothing to wake between threads. Parsing is httptools', which is Node's.
"""

import math
import selectors
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from pipeline.errors import PipelineError
from pipeline.push.batch_channel import last_start
from pipeline.push.fcm import addresses
from pipeline.push.fcm.connection import WRITE, Answer, Connection, Request

CONNECT_TIMEOUT_S = 5.0
"""A server that does not take a connection in this time gets no message from us for now; nothing has left yet."""
KEEPALIVE_S = 50.0
"""An idle connection is dropped here before the other side drops it: a POST on a dying connection is an unknown."""
LOOK_S = 0.5
"""How late a batch may notice that its pool was closed, or that another batch gave a connection back."""

_NEVER = (None, math.inf)

Done = Callable[[Request, "Answer | OSError"], None]


class ClosedError(PipelineError, ConnectionError):
    """The pool was closed before the answer came."""


class Pool:
    """Connections to one server. Thread-safe: several batches share them, and each is one batch's at a time."""

    def __init__(self, url: str, *, tls: ssl.SSLContext, connections: int) -> None:
        """url: https://HOST[:PORT], or http://. connections: the most that are open at once; who comes later waits."""
        parts = urlsplit(url)
        secure = parts.scheme != "http"
        self._host, self._authority = parts.hostname or "", parts.netloc
        self._port = parts.port or (443 if secure else 80)
        self._tls = tls if secure else None
        # Which of the host's addresses answers.
        self._address: addresses.Address | None = None
        self._idle: list[Connection] = []
        self._free = connections
        self._changed = threading.Condition()
        # Batches that have no connection at all.
        self.waiting = 0
        self.closed = False

    def head(self, path: str, headers: Mapping[str, str]) -> bytes:
        """The beginning of a request, up to the length of its body. ValueError: the headers are none."""
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._authority}", *(f"{k}: {v}" for k, v in headers.items())]
        if any(not line.isprintable() for line in lines):
            raise ValueError("a header of a request has characters that none may have")
        return "\r\n".join([*lines, "Content-Length: "]).encode("latin-1")

    def exchange(self, requests: Iterator[Request], count: int, done: Done, *, until: float, timeout_s: float) -> None:
        """Send up to `count` requests, each once, and tell `done` what came of each.

        until: of the monotonic clock. Those without an answer by then get a TimeoutError, as those whose answer takes
        longer than timeout_s; so none begins so late. Nothing is said of those whose turn did not come.
        """
        _Exchange(self, requests, count, done, until, timeout_s).run()

    def close(self) -> None:
        """Close the connections that wait for a request; the others' requests fail within LOOK_S."""
        with self._changed:
            self.closed, idle, self._idle = True, self._idle, []
            self._changed.notify_all()
        for connection in idle:
            connection.close()

    def take(self, *, has_some: bool) -> Connection | None:
        """A connection, which may still have to be made; None when all are in use. Raises OSError.

        has_some: the batch has others, so whoever waits for a first one comes before it.
        """
        with self._changed:
            if self._free <= (self.waiting if has_some else 0) or self.closed:
                return None
            self._free -= 1
            oldest = time.monotonic() - KEEPALIVE_S
            # The one that was used last is the least likely to be dead.
            while self._idle:
                connection = self._idle.pop()
                if connection.idle_since > oldest and connection.is_quiet():
                    return connection
                connection.close()
        try:
            return self._begun()
        except BaseException:
            self.give_back(None)
            raise

    def give_back(self, connection: Connection | None) -> None:
        """Let others have a connection, or its place."""
        with self._changed:
            self._free += 1
            if connection is not None and connection.is_ready and connection.reusable and not self.closed:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
                connection = None
            self._changed.notify()
        if connection is not None:
            connection.close()

    def wait(self, until: float) -> None:
        """Wait for a connection that somebody gives back, but not longer than LOOK_S."""
        with self._changed:
            if not self._free and not self.closed:
                self.waiting += 1
                self._changed.wait(min(until - time.monotonic(), LOOK_S))
                self.waiting -= 1

    def forget_address(self) -> None:
        """Look for another address at the next connection: the last one failed."""
        self._address = None

    def _begun(self) -> Connection:
        address = self._address
        if address is None:
            self._address, connected = addresses.first_of(self._host, self._port, CONNECT_TIMEOUT_S)
        else:
            connected = addresses.begin(address)
        return Connection(connected, self._tls, self._host)


class _Exchange:
    """One batch of requests on its way."""

    def __init__(
        self, pool: Pool, requests: Iterator[Request], count: int, done: Done, until: float, timeout_s: float
    ) -> None:
        self._pool, self._requests, self._done = pool, requests, done
        self._until, self._timeout_s = until, timeout_s
        self._last_start = last_start(time.monotonic(), until, timeout_s)
        # How many may still come of the requests.
        self._left = count
        self._selector = selectors.DefaultSelector()
        # Of each connection, until when. The oldest come first, and so do those whose time is up first.
        self._opening: dict[Connection, float] = {}
        self._asked: dict[Connection, tuple[Request, float]] = {}
        # Why no further connection can be had.
        self._refused: OSError | None = None

    def run(self) -> None:
        """Send them all, and wait for the answers."""
        try:
            while not self._pool.closed and (now := time.monotonic()) < self._until:
                if now >= self._last_start:
                    self._left = 0
                self._open()
                if not self._asked and not self._left:
                    return
                if not self._opening and not self._asked:
                    if self._refused is not None:
                        self._fail_all(self._refused)
                        return
                    self._pool.wait(self._last_start)
                    continue
                self._look(self._patience_s())
                self._give_up_late()
            # As in _give_up_late.
            self._look(0)
        finally:
            self._end()

    def _open(self) -> None:
        """As many connections as there are requests without one."""
        while len(self._opening) < self._left and self._refused is None:
            try:
                connection = self._pool.take(has_some=bool(self._opening or self._asked))
            except OSError as error:
                self._refuse(error)
                return
            if connection is None:
                return
            if connection.is_ready:
                self._selector.register(connection.socket, connection.events, connection)
                self._give(connection)
            else:
                self._selector.register(connection.socket, WRITE, connection)
                self._opening[connection] = time.monotonic() + CONNECT_TIMEOUT_S

    def _patience_s(self) -> float:
        """How long nothing is to be done but to wait for the server."""
        return max(min(self._until, self._first_end(), time.monotonic() + LOOK_S) - time.monotonic(), 0.0)

    def _first_end(self) -> float:
        """When the first connection, or the first answer, is late."""
        ends = (next(iter(self._opening.values()), math.inf), next(iter(self._asked.values()), _NEVER)[1])
        return min(ends)

    def _look(self, patience_s: float) -> None:
        for key, _ in self._selector.select(patience_s):
            self._step(key.data, key.events)

    def _step(self, connection: Connection, watched: int) -> None:
        """A connection has something; watched: for what it was looked at."""
        try:
            if not connection.is_ready:
                self._go_on(connection)
                return
            answer = connection.step()
        except OSError as error:
            self._lose(connection, error)
            return
        if answer is None:
            if connection.events != watched:
                self._selector.modify(connection.socket, connection.events, connection)
            return
        request, _ = self._asked.pop(connection)
        # A batch of few messages need not wait until one of many has none left.
        is_wanted = self._pool.waiting and self._asked
        if connection.reusable and not is_wanted and connection.is_quiet():
            # Before the answer is looked at: the next request is on its way meanwhile.
            self._give(connection)
        else:
            self._drop(connection)
        self._done(request, answer)

    def _go_on(self, connection: Connection) -> None:
        events = connection.go_on()
        self._selector.modify(connection.socket, events or connection.events, connection)
        if not events:
            del self._opening[connection]
            self._give(connection)

    def _give(self, connection: Connection) -> None:
        """Give a connection the next request, or give it back."""
        request = self._next()
        # The last look before it leaves: a process that was stopped sends nothing that is somebody else's by now.
        now = time.monotonic()
        if request is None or now >= self._last_start:
            self._left = 0
            self._drop(connection)
            return
        self._asked[connection] = request, now + self._timeout_s
        try:
            connection.ask(request)
        except OSError as error:
            self._lose(connection, error)
        else:
            if connection.events & WRITE:
                self._selector.modify(connection.socket, connection.events, connection)

    def _next(self) -> Request | None:
        if not self._left or time.monotonic() >= self._last_start:
            return None
        self._left -= 1
        return next(self._requests, None)

    def _lose(self, connection: Connection, error: OSError) -> None:
        """A connection failed: what was under way on it has."""
        connection.reusable = False
        request, _ = self._asked.pop(connection, (None, 0.0))
        if self._opening.pop(connection, None) is not None:
            self._refuse(error)
        self._drop(connection)
        if request is not None:
            self._done(request, error)

    def _refuse(self, error: OSError) -> None:
        """No connection can be had now: those that are there have to do."""
        self._refused = error
        self._pool.forget_address()

    def _drop(self, connection: Connection) -> None:
        self._selector.unregister(connection.socket)
        self._pool.give_back(connection)

    def _give_up_late(self) -> None:
        now = time.monotonic()
        if now >= self._first_end():
            # What came while this process was stopped is an answer all the same.
            self._look(0)
            for connection in self._late(now):
                self._lose(connection, TimeoutError())

    def _late(self, now: float) -> list[Connection]:
        late = [connection for connection, end in self._opening.items() if now >= end]
        return late + [connection for connection, (_, end) in self._asked.items() if now >= end]

    def _fail_all(self, error: OSError) -> None:
        while (request := self._next()) is not None:
            self._done(request, error)

    def _end(self) -> None:
        """Let go of everything; what is still under way stays without an answer."""
        error: OSError = ClosedError("closed") if self._pool.closed else TimeoutError("no answer by the deadline")
        for connection in list(self._opening):
            self._drop(connection)
        for connection in list(self._asked):
            self._lose(connection, error)
        self._selector.close()
