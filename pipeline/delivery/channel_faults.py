"""When a channel is paused, and when it is well again: what a process learns from its answers."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline.delivery.circuit import WINDOW, Circuit
from pipeline.push.outcome import CHANNEL_WAIT_S, Outcome, OutcomeKind

QUIET_S = 60.0
"""A delivery within so many seconds speaks against a fault of the whole channel."""

_BLAMES_DEVICE = frozenset({OutcomeKind.TOKEN_DEAD, OutcomeKind.WRONG_ENVIRONMENT, OutcomeKind.REJECTED})
_ACCEPTED = frozenset({OutcomeKind.DELIVERED, OutcomeKind.TOKEN_DEAD})


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A channel is to be paused."""

    code: str
    # What an operator should look at.
    sentence: str
    # Since when answers carried this code: what they did to devices is undone.
    since: datetime
    # Seconds until the first probe.
    wait_s: float = CHANNEL_WAIT_S


@dataclass(kw_only=True)
class _History:
    circuit: Circuit = field(default_factory=Circuit)
    # The codes of the same answers that the circuit looks at, with their times.
    codes: deque[tuple[str, datetime]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    delivered_at: datetime | None = None


class ChannelFaults:
    """The last answers of each channel in this process. Thread-safe."""

    def __init__(self) -> None:
        self._histories: dict[str, _History] = {}
        self._lock = threading.Lock()

    def learn(self, name: str, outcomes: Sequence[Outcome], *, now: datetime) -> Fault | None:
        """Add a batch of a channel's outcomes; a fault when the channel is to be paused.

        It is when the circuit says so (most of the last answers carry one code of our configuration), or when all of
        the batch's answers say that the channel is down and none of this process' messages got through within the
        last minute: one stray refusal among successes pauses nothing.
        """
        with self._lock:
            history = self._histories.setdefault(name, _History())
            answers = [o for o in outcomes if o.answered or o.kind is OutcomeKind.CHANNEL_DOWN]
            history.codes.extend((o.code, now) for o in answers[-WINDOW:])
            pause = history.circuit.record(outcomes)
            if pause is not None:
                since = min((at for code, at in history.codes if code == pause.code), default=now)
                self._histories.pop(name)
                return Fault(code=pause.code, sentence=pause.sentence, since=since)
            if any(o.kind is OutcomeKind.DELIVERED for o in answers):
                history.delivered_at = now
            return _all_down(answers, history.delivered_at, now)


def _all_down(answers: Sequence[Outcome], delivered_at: datetime | None, now: datetime) -> Fault | None:
    if not answers or any(o.kind is not OutcomeKind.CHANNEL_DOWN for o in answers):
        return None
    if delivered_at is not None and now - delivered_at < timedelta(seconds=QUIET_S):
        return None
    last = answers[-1]
    return Fault(code=last.code, sentence=last.detail, since=now, wait_s=last.retry_after_s or CHANNEL_WAIT_S)


def without_blame(outcomes: Sequence[Outcome], code: str) -> list[Outcome]:
    """The outcomes of a channel that is paused because of a code: an answer with it blames the channel, no device."""
    return [
        replace(o, kind=OutcomeKind.CHANNEL_DOWN) if o.code == code and o.kind in _BLAMES_DEVICE else o
        for o in outcomes
    ]


def is_well(outcomes: Sequence[Outcome], code: str) -> bool:
    """Whether a probe of a channel that is paused because of a code got past what it was paused for."""
    return any(o.answered and o.kind in _ACCEPTED and o.code != code for o in outcomes)
