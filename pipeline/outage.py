"""A server that is away, or that refuses: one line when that begins and one when it ends, and the wait in between."""

import logging
import time

logger = logging.getLogger(__name__)

LONGEST_WAIT_S = 5
"""Between two tries: what answers again is used again within so long."""


class Outage:
    """What one process has said about one server."""

    def __init__(self, server: str) -> None:
        """server: what it is called in the log, a fixed word such as `broker`."""
        self._server = server
        self._since: float | None = None
        self._failures = 0

    @property
    def lasts(self) -> bool:
        """Whether it has begun and not ended."""
        return self._since is not None

    def failed(self, error: BaseException) -> int:
        """Note a try that failed, and say it if it is the first; after how many seconds the next one makes sense.

        The first comes at once: a connection that broke is mostly made anew without trouble.
        """
        if self._since is None:
            self._since = time.monotonic()
            logger.warning("%s away or refusing, waiting", self._server, extra={"fields": {"error": sentence(error)}})
        self._failures += 1
        return min(self._failures - 1, LONGEST_WAIT_S)

    def over(self) -> None:
        """Note that all is well, and say it if it was not."""
        if self._since is not None:
            seconds = round(time.monotonic() - self._since)
            logger.warning("%s is back", self._server, extra={"fields": {"after_s": seconds}})
        self._since, self._failures = None, 0


def sentence(error: BaseException) -> str:
    """An error in one line. It may come from a server, so it is cut."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0][:200]}" if said else type(error).__name__
