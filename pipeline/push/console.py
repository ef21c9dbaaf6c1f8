"""A channel without a vendor: the log line stands in for the phone's screen."""

import logging
from collections.abc import Sequence

from pipeline.push.channel import CLOSED
from pipeline.push.message import Message
from pipeline.push.outcome import Outcome, OutcomeKind

logger = logging.getLogger(__name__)


class ConsoleChannel:
    """Writes every message to the log. People without credentials see here what their users would see."""

    name = "console"

    def __init__(self) -> None:
        self._closed = False

    def send(self, messages: Sequence[Message], deadline_s: float, *, validate_only: bool = False) -> list[Outcome]:  # noqa: ARG002
        """Log one line per message (none with validate_only) and report it delivered."""
        if self._closed:
            return [CLOSED] * len(messages)
        for message in messages:
            if not validate_only:
                # The title is fit for the log here alone: this channel's log is its phone.
                fields = {"platform": "console", "tag": message.tag, "title": message.title}
                logger.info("push shown", extra={"fields": fields})
        return [
            Outcome(kind=OutcomeKind.DELIVERED, provider_id=f"console/{message.delivery_id}", answered=True)
            for message in messages
        ]

    def close(self) -> None:
        """Show nothing any more."""
        self._closed = True
