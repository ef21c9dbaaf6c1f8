"""The error vocabulary: what became of one message, and what is to be done about it. Pure.

The vendors' answers are turned into outcomes in answers.py; when a whole channel is at fault says
pipeline.delivery.channel_faults.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.basics.text import printable

MAX_ATTEMPTS = 16
"""With the doubling below, a vendor's outage of some hours is outlived before a delivery fails."""
MAX_BACKOFF_S = 3600.0
"""No wait is longer than an hour, whoever asked for it."""
UNKNOWN_BACKOFF_S = 5.0
"""First wait after a lost answer: long enough for a vendor's hiccup, short enough for a notice."""
CHANNEL_WAIT_S = 60.0
"""First wait for a channel that is down; a probe a minute finds out when it is well again."""


MAX_DETAIL = 300
"""Characters of an answer's text that are kept."""


class OutcomeKind(StrEnum):
    """What became of a message."""

    DELIVERED = "delivered"
    """The vendor accepted it."""
    TOKEN_DEAD = "token_dead"  # noqa: S105
    """The vendor says that this token will never work again."""
    WRONG_ENVIRONMENT = "wrong_environment"
    """APNs: the token is bad, or it belongs to the other environment."""
    REJECTED = "rejected"
    """The message is at fault (or the answer makes no sense); the device is not."""
    REFUSED = "refused"
    """This device is refused, for a reason that may be its own or ours: kept, and tried again later."""
    RETRY = "retry"
    """Not delivered; worth another try later."""
    UNKNOWN = "unknown"
    """Sent, and the answer was lost: the phone may or may not have it."""
    CHANNEL_DOWN = "channel_down"
    """Nothing can be sent with this configuration; no device is to blame."""


# Not frozen, as one is made for each message: to set the fields of frozen ones takes three times as long.
@dataclass(kw_only=True)
class Outcome:
    """The result of one attempt to send one message."""

    kind: OutcomeKind
    code: str = ""
    """The vendor's own code (UNREGISTERED, BadDeviceToken); ours in lower case (timeout, http_502); "" for success."""
    detail: str = ""
    """The beginning of what the vendor said, without any token."""
    provider_id: str | None = None
    """The vendor's id of the message (FCM: projects/../messages/..; APNs: apns-id)."""
    retry_after_s: float | None = None
    """Seconds that the vendor asked us to wait, at most an hour."""
    backoff_s: float = 1.0
    """The shortest wait before another try, doubled with each attempt, when the vendor named none."""
    environment: str | None = None
    """The APNs environment that gave this answer."""
    dead_since: datetime | None = None
    """APNs 410: since when the token is dead. A registration later than this makes it live again."""
    answered: bool = False
    """True when the vendor itself answered: only such outcomes say anything about our configuration."""

    def __post_init__(self) -> None:
        # The one door by which a vendor's words come in: a database refuses a NUL or a lone surrogate, and then with it
        # what became of a whole batch.
        for name, text in (("code", self.code), ("detail", self.detail), ("provider_id", self.provider_id)):
            if text and (not text.isprintable() or len(text) > _LONGEST[name]):
                setattr(self, name, " ".join(printable(text).split())[: _LONGEST[name]])


_LONGEST = {"code": 64, "detail": MAX_DETAIL, "provider_id": 200}
"""Characters that are kept of what a vendor says."""


class Action(StrEnum):
    """What to do with a delivery after an attempt."""

    SENT = "sent"
    FAILED = "failed"
    EXPIRED = "expired"
    """Skip it: it is (or would be, at the next try) older than its ttl."""
    RETRY = "retry"
    WAIT = "wait"
    """Leave it pending until the channel is well again; does not count towards MAX_ATTEMPTS."""


# Not frozen, as one is made for each message: to set the fields of frozen ones takes three times as long.
@dataclass(kw_only=True)
class Decision:
    """What to do with a delivery, and when."""

    action: Action
    delay_s: float = 0.0
    """RETRY and WAIT: seconds from now."""
    reason: str = ""
    """Code of the outcome that led here, for the delivery row."""


SENT = Decision(action=Action.SENT)
"""What nearly every attempt leads to."""

_FINAL = {
    OutcomeKind.DELIVERED: Action.SENT,
    OutcomeKind.TOKEN_DEAD: Action.FAILED,
    OutcomeKind.REJECTED: Action.FAILED,
    # A channel tries the other environment by itself; what still comes out as this has been tried enough.
    OutcomeKind.WRONG_ENVIRONMENT: Action.FAILED,
}


def decide(outcome: Outcome, attempts: int, age_s: float, ttl_s: float, rand: float) -> Decision:
    """Say what to do after an attempt.

    attempts: how many were made, this one included. age_s: seconds since the notification came into being.
    rand: a number in [0, 1) for the jitter, so that the rule itself stays pure.
    """
    final = _FINAL.get(outcome.kind)
    if final is not None:
        return Decision(action=final, reason=outcome.code)
    waits = outcome.kind is OutcomeKind.CHANNEL_DOWN
    if not waits and attempts >= MAX_ATTEMPTS:
        return Decision(action=Action.FAILED, reason=outcome.code)
    delay = _delay(outcome, attempts, rand)
    if age_s + delay >= ttl_s:
        return Decision(action=Action.EXPIRED, reason=outcome.code)
    return Decision(action=Action.WAIT if waits else Action.RETRY, delay_s=delay, reason=outcome.code)


def _delay(outcome: Outcome, attempts: int, rand: float) -> float:
    """Seconds to wait: at least what the vendor asked for, spread with full jitter over a doubling window."""
    base = {
        OutcomeKind.UNKNOWN: UNKNOWN_BACKOFF_S,
        OutcomeKind.CHANNEL_DOWN: CHANNEL_WAIT_S,
    }.get(outcome.kind, outcome.backoff_s)
    if outcome.retry_after_s is not None:
        # The vendor's own wish is the floor; a tenth more keeps hundreds of messages from coming back at once.
        return min(MAX_BACKOFF_S, max(outcome.retry_after_s, 1.0) * (1 + 0.1 * rand))
    doublings = min(max(attempts - 1, 0), 12)
    return min(MAX_BACKOFF_S, base + rand * base * 2.0**doublings)
