"""What one process has heard from each vendor: when it last took a message, and since when it takes nothing."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.push.answers import DEVICE_RATE_CODES
from pipeline.push.outcome import Outcome, OutcomeKind

TROUBLE = timedelta(seconds=60)
"""A vendor that has taken nothing for so long, by a fault of its own, is in trouble: an operator is told."""
SAID_EVERY = timedelta(seconds=30)
"""How often the database is told that a channel takes messages."""

_OURS = frozenset({"closed", "interrupted", "not_sent", "internal_error"})


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A vendor takes nothing."""

    code: str
    detail: str
    since: datetime


@dataclass(kw_only=True)
class _Heard:
    accepted_at: datetime | None = None
    said_at: datetime | None = None
    failing_since: datetime | None = None


class Health:
    """What this process heard, by channel. Thread-safe."""

    def __init__(self) -> None:
        self._heard: dict[str, _Heard] = {}
        self._lock = threading.Lock()

    def learn(self, name: str, outcomes: Sequence[Outcome], *, now: datetime) -> Trouble | None:
        """Add a batch's outcomes; a trouble when nothing but its own failures has come from a vendor for a minute.

        That it refuses us is no trouble of the vendor's: that pauses the channel (channel_faults).
        """
        with self._lock:
            heard = self._heard.setdefault(name, _Heard())
            if any(o.kind is OutcomeKind.DELIVERED for o in outcomes):
                heard.accepted_at = now
            failures = [o for o in outcomes if _is_vendors_failure(o)]
            if any(o.answered and not _is_vendors_failure(o) for o in outcomes):
                heard.failing_since = None
            elif failures:
                heard.failing_since = heard.failing_since or now
                if now - heard.failing_since >= TROUBLE:
                    last = failures[-1]
                    return Trouble(code=last.code, detail=last.detail, since=heard.failing_since)
            return None

    def accepted_at(self, name: str) -> datetime | None:
        """When a channel last took one of this process' messages."""
        with self._lock:
            heard = self._heard.get(name)
            return heard.accepted_at if heard else None

    def to_say(self, names: Iterable[str], *, now: datetime) -> list[str]:
        """Those of the channels, which took a message now, that the database has not heard of for a while."""
        with self._lock:
            news = []
            for name in names:
                heard = self._heard.setdefault(name, _Heard())
                if heard.said_at is None or now - heard.said_at >= SAID_EVERY:
                    heard.said_at = now
                    news.append(name)
            return news


def _is_vendors_failure(outcome: Outcome) -> bool:
    """Whether the vendor, or the way to it, failed; what is about one device or about this process is not meant."""
    return (
        outcome.kind in {OutcomeKind.RETRY, OutcomeKind.UNKNOWN}
        and outcome.code not in DEVICE_RATE_CODES
        and outcome.code not in _OURS
        and outcome.code != "THIRD_PARTY_AUTH_ERROR"
    )
