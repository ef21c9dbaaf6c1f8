"""The child's end of the line to the process that ordered the crawl: JSON, one message a line."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from spiders.errors import SpiderError


class OrderLostError(SpiderError):
    """Whoever ordered a crawl went away before the order had arrived."""


class Channel:
    """Receives one order, then commands (`stop`, `timeout`, `lease UNTIL`); sends progress and at last one report."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb")
        # Until when this crawl may go on, on the monotonic clock; not known before `leased` is set.
        self._lease_until = 0.0
        self._leased = threading.Event()

    def receive_order(self) -> dict[str, Any]:
        """The order, as plain data. Raises OrderLostError."""
        line = self._reader.readline()
        if not line.endswith(b"\n"):
            raise OrderLostError("the order broke off")
        order: dict[str, Any] = json.loads(line)
        return order

    def listen(self, on_command: Callable[[str], None]) -> None:
        """From now on, a thread hands each command to `on_command`.

        When the other side is gone, for whatever reason, nobody waits for this crawl any more: the whole process
        group is killed at once.
        """
        threading.Thread(target=self._listen, args=(on_command,), name="commands", daemon=True).start()
        threading.Thread(target=self._watch_lease, name="lease", daemon=True).start()

    def _listen(self, on_command: Callable[[str], None]) -> None:
        try:
            for line in self._reader:
                word, _, rest = line.decode().strip().partition(" ")
                if word == "lease":
                    self._lease_until = float(rest)
                    self._leased.set()
                else:
                    on_command(word)
        finally:
            os.killpg(0, signal.SIGKILL)

    def _watch_lease(self) -> None:
        """End everything when nobody has renewed the lease: by then another process may crawl the same site."""
        self._leased.wait()
        while (left := self._lease_until - time.monotonic()) > 0:
            time.sleep(left)
        os.killpg(0, signal.SIGKILL)

    def send(self, kind: str, message: dict[str, Any]) -> None:
        """Send a message; a reader that is gone is noticed by the listening thread."""
        try:
            self._connection.sendall(json.dumps({kind: message}).encode() + b"\n")
        except OSError:
            os.killpg(0, signal.SIGKILL)
