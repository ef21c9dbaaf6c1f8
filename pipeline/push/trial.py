"""One message by hand, and the vendor's answer to it in words: for whoever wants to see whether a phone is reached."""

from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

from pipeline.push.message import Message, Platform
from pipeline.push.outcome import Outcome, OutcomeKind

DEADLINE_S = 20.0
TITLE = "crawlpush"
BODY = "A message sent by hand, to see whether it arrives."

WORDS: Mapping[OutcomeKind, str] = {
    OutcomeKind.DELIVERED: "accepted",
    OutcomeKind.TOKEN_DEAD: "this token will never work again: the app was removed, or it has a new token",
    OutcomeKind.WRONG_ENVIRONMENT: "a bad token, or one of the other APNs environment",
    OutcomeKind.REJECTED: "the message was refused, the device is not to blame",
    OutcomeKind.REFUSED: "this device was refused, for a reason that may be its own or ours: `crawlpush doctor push`",
    OutcomeKind.RETRY: "not delivered; a real notification would be tried again",
    OutcomeKind.UNKNOWN: "sent, and the answer was lost; a real notification would be sent again under the same tag",
    OutcomeKind.CHANNEL_DOWN: "nothing can be sent with this configuration: `crawlpush doctor push` looks at it",
}
"""What each outcome means to a person who tries one device."""


def trial_message(
    platform: Platform,
    token: str,
    environment: str | None,
    *,
    app: str | None = None,
    title: str = TITLE,
    body: str = BODY,
    now: datetime,
) -> Message:
    """A message that is about no post."""
    number = uuid4().hex[:12]
    return Message(
        delivery_id=f"test-{number}",
        platform=platform,
        token=token,
        environment=environment,
        app=app,
        tag=f"test-{number}",
        title=title,
        body=body,
        data={"test": number},
        created_at=now,
        ttl_s=3600,
    )


def answer_in_words(outcome: Outcome, *, dry_run: bool = False) -> str:
    """What became of a message, for a person: our words, then the vendor's code and its text."""
    words = WORDS[outcome.kind]
    if outcome.kind is OutcomeKind.DELIVERED:
        where = f" by the {outcome.environment} environment" if outcome.environment else ""
        return f"{words}{where}" + (" (checked only, not shown)" if dry_run else f" as {outcome.provider_id or 'sent'}")
    said = ": ".join(text for text in (outcome.code, outcome.detail) if text)
    later = f"; the vendor asked to wait {outcome.retry_after_s:g} s" if outcome.retry_after_s else ""
    return f"{words}{later} ({said})"
