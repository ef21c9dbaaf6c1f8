"""What the channels share that send on an event loop of their own: whatever goes wrong there is an outcome."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from pipeline.push.channel import CLOSED, INTERNAL_ERROR, INTERRUPTED, unfit
from pipeline.push.clock import Clock
from pipeline.push.loop import LoopClosedError, LoopInterruptedError, LoopThread
from pipeline.push.message import Message, PayloadTooLargeError, fit
from pipeline.push.outcome import Outcome, OutcomeKind

logger = logging.getLogger(__name__)

GRACE_S = 5.0
"""A loop that answers so much later than its deadline hangs."""
FAREWELL_S = 2.0


class LoopChannel(ABC):
    """A channel (see `Channel`) whose batches are coroutines."""

    name: str

    def __init__(self, clock: Clock | None) -> None:
        self._clock = clock or Clock()
        self._loop = LoopThread(f"push-{self.name}")
        self._used = False

    def send(self, messages: Sequence[Message], deadline_s: float, *, validate_only: bool = False) -> list[Outcome]:
        """Send a batch; see Channel.send."""
        self._used = True
        self._clock.look()
        try:
            # From here on, however long this process is stopped: what is not sent by then is somebody else's to send.
            until = time.monotonic() + deadline_s
            return self._loop.run(self._send_batch(messages, until, validate_only), deadline_s + GRACE_S)
        except LoopClosedError:
            return [CLOSED] * len(messages)
        except LoopInterruptedError:
            return [INTERRUPTED] * len(messages)
        except Exception:
            logger.exception("push batch failed", extra={"fields": {"platform": self.name}})
            return [INTERNAL_ERROR] * len(messages)

    def close(self) -> None:
        """Close the connections and end the thread."""
        if self._used:
            try:
                self._loop.run(self._close_connections(), FAREWELL_S)
            except (LoopClosedError, LoopInterruptedError, TimeoutError):
                logger.debug("push connections not closed in time")
        self._loop.close()

    @abstractmethod
    async def _send_batch(self, messages: Sequence[Message], until: float, validate_only: bool) -> list[Outcome]:
        """Send a batch, until a moment of the monotonic clock."""

    @abstractmethod
    async def _close_connections(self) -> None:
        """Close what is open, on the loop that opened it."""


def fitted(message: Message, encode: Callable[[Message], bytes]) -> tuple[Message, bytes] | Outcome:
    """A message that fits the vendor's limit, with its payload; or why there is none: nobody else's trouble."""
    try:
        return fit(message, encode)
    except PayloadTooLargeError as error:
        return Outcome(kind=OutcomeKind.REJECTED, code="payload_too_large", detail=str(error))
    except Exception as error:
        return unfit(error)
