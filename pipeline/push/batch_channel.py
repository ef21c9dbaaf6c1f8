"""What the channels share that send over a network: whatever goes wrong there is an outcome."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from pipeline.push.channel import INTERNAL_ERROR, unfit
from pipeline.push.clock import Clock
from pipeline.push.message import Message, PayloadTooLargeError, fit
from pipeline.push.outcome import Outcome, OutcomeKind

logger = logging.getLogger(__name__)

ANSWER_S = 10.0
"""A vendor that has not answered for so long is not waited for any longer."""
SHORT = 1 / 3
"""Of a time in which answers would take longer than this part, the part is kept for them."""


def last_start(began: float, until: float, answer_s: float = ANSWER_S) -> float:
    """The last moment for a message to leave, of those who began at a moment and want all answers until another.

    One that leaves later would be given up while its vendor is at work on it: nobody would know whether the phone shows
    it, and it would be sent again. What has not left by then is certain to be new to the phone, whoever sends it.
    """
    return until - min(answer_s, max(until - began, 0.0) * SHORT)


class BatchChannel(ABC):
    """A channel (see `Channel`) that sends each batch by a deadline, by a clock that may be another machine's."""

    name: str

    def __init__(self, clock: Clock | None) -> None:
        self._clock = clock or Clock()

    def send(self, messages: Sequence[Message], deadline_s: float, *, validate_only: bool = False) -> list[Outcome]:
        """Send a batch; see Channel.send."""
        self._clock.look()
        try:
            # From here on, however long this process is stopped: what is not sent by then is somebody else's to send.
            return self._send_batch(messages, time.monotonic() + deadline_s, validate_only)
        except Exception:
            logger.exception("push batch failed", extra={"fields": {"platform": self.name}})
            return [INTERNAL_ERROR] * len(messages)

    @abstractmethod
    def close(self) -> None:
        """See Channel.close."""

    @abstractmethod
    def _send_batch(self, messages: Sequence[Message], until: float, validate_only: bool) -> list[Outcome]:
        """Send a batch, until a moment of the monotonic clock."""


def fitted(message: Message, encode: Callable[[Message], bytes]) -> tuple[Message, bytes] | Outcome:
    """A message that fits the vendor's limit, with its payload; or why there is none: nobody else's trouble."""
    try:
        return fit(message, encode)
    except PayloadTooLargeError as error:
        return Outcome(kind=OutcomeKind.REJECTED, code="payload_too_large", detail=str(error))
    except Exception as error:
        return unfit(error)
