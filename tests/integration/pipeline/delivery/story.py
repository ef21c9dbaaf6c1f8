"""A post on its way to some people, and channels that answer what they are told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from pipeline.delivery.batch import Deliveries
from pipeline.push.channel import Channel
from pipeline.push.message import Message, Platform
from pipeline.push.outcome import Outcome, OutcomeKind
from pipeline.resources import now
from scripts.gateway.process import GatewayProcess
from storage.models import ChannelState, Delivery, Device, Notification
from storage.notifications import Key
from storage.session import Database


@dataclass(kw_only=True)
class Story:
    """A post on its way to some people."""

    database: Database
    deliveries: Deliveries
    keys: list[Key]

    def deliver(self, keys: Sequence[Key] | None = None) -> list[str]:
        done = self.deliveries.deliver(keys or self.keys)
        return [done[key] for key in keys or self.keys if key in done]

    def rows(self, table: Any) -> Sequence[Any]:
        with self.database.reading() as session:
            return session.scalars(select(table).order_by(table.id if table is not ChannelState else table.name)).all()

    def notification(self) -> Notification:
        (row,) = self.rows(Notification)
        assert isinstance(row, Notification)
        return row

    def time_passes(self, seconds: float) -> None:
        """Everything that is due within these seconds is due now."""
        span = timedelta(seconds=seconds)
        with self.database.writing() as session:
            for table, column in ((Notification, "next_attempt_at"), (Delivery, "next_attempt_at")):
                for row in session.scalars(select(table)):
                    if getattr(row, column) is not None:
                        setattr(row, column, getattr(row, column) - span)
            for device in session.scalars(select(Device).where(Device.busy_until.is_not(None))):
                assert device.busy_until is not None
                device.busy_until -= span
            for state in session.scalars(select(ChannelState)):
                state.paused_until -= span

    def due_in_s(self, row: Any = None) -> float:
        at: Any = (row or self.notification()).next_attempt_at
        return float((at - now()).total_seconds())


StoryFor = Callable[..., Story]


def token_of(name: str, platform: str) -> str:
    return (name.encode().hex() * 32)[:64] if platform == "apns" else f"{platform}-token-of-{name}"


class Scripted:
    """A channel that answers what it is told, and remembers what it was asked to send."""

    name = "fcm"

    def __init__(self, *answers: Outcome) -> None:
        self.answers = list(answers)
        self.sent: list[Message] = []
        # Happens while the first messages are under way.
        self.meanwhile: Callable[[], object] | None = None

    def send(self, messages: Sequence[Message], deadline_s: float, *, validate_only: bool = False) -> list[Outcome]:
        self.sent += messages
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return [self.answers.pop(0) if self.answers else DELIVERED for _ in messages]

    def close(self) -> None:
        """Nothing to close."""


DELIVERED = Outcome(kind=OutcomeKind.DELIVERED, answered=True)
REFUSED = Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="UNAUTHENTICATED", detail="no", answered=True)
BUSY = Outcome(kind=OutcomeKind.RETRY, code="503", answered=True)
MISMATCH = Outcome(kind=OutcomeKind.TOKEN_DEAD, code="SENDER_ID_MISMATCH", detail="no", answered=True)
NOT_SET_UP = Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="not_configured", detail="set FCM_SERVICE_ACCOUNT_FILE")


def over(channel: Scripted) -> dict[Platform, Channel]:
    return {Platform.FCM: channel, Platform.APNS: Scripted(), Platform.CONSOLE: Scripted()}


def shown(gateway: GatewayProcess) -> dict[str, list[int]]:
    return {phone["token"]: [one["sends"] for one in phone["shown"]] for phone in gateway.phones()}
