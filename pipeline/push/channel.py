"""The contract of a channel: a batch of messages in, one outcome per message out."""

from collections.abc import Sequence
from typing import Protocol

from pipeline.errors import PipelineError
from pipeline.push.message import Message
from pipeline.push.outcome import Outcome, OutcomeKind


class CredentialsError(PipelineError):
    """A credentials file that cannot be used; the sentence names the file, what is wrong, and the way out."""


CLOSED = Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="closed", detail="the process is stopping", retry_after_s=1.0)
"""What a closed channel answers: it costs a message no attempt, and another process sends it."""
INTERRUPTED = Outcome(kind=OutcomeKind.UNKNOWN, code="interrupted", detail="the process is stopping")
NOT_SENT = Outcome(kind=OutcomeKind.RETRY, code="not_sent", detail="the time was up before the message's turn came")
"""Nothing of it left: it costs a message no attempt either."""
INTERNAL_ERROR = Outcome(kind=OutcomeKind.UNKNOWN, code="internal_error", detail="see the log")


def unfit(error: Exception) -> Outcome:
    """The outcome of a message of which no request can be made."""
    return Outcome(kind=OutcomeKind.REJECTED, code="unfit", detail=type(error).__name__)


class Channel(Protocol):
    """A road to phones. Thread-safe: several senders may call send() at once."""

    name: str

    def send(self, messages: Sequence[Message], deadline_s: float, *, validate_only: bool = False) -> list[Outcome]:
        """Send a batch and return one outcome per message, in the same order.

        deadline_s: seconds until the caller needs an answer; what has none by then is cancelled and UNKNOWN.
        validate_only: ask the vendor to check the message without showing it (FCM; other channels refuse).
        Never raises for a message's or the vendor's failure.
        """
        ...

    def close(self) -> None:
        """Give back connections and threads. A closed channel answers CLOSED to every message."""
        ...


class UnconfiguredChannel:
    """Stands where credentials are missing: every message waits, and says what is missing."""

    def __init__(self, name: str, sentence: str) -> None:
        """sentence: what is missing, and the way out."""
        self.name = name
        self._outcome = Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="not_configured", detail=sentence)

    def send(self, messages: Sequence[Message], deadline_s: float, *, validate_only: bool = False) -> list[Outcome]:  # noqa: ARG002
        """Return CHANNEL_DOWN for every message."""
        return [self._outcome] * len(messages)

    def close(self) -> None:
        """Nothing to give back."""
