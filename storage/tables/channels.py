"""How the push channels are, and what an operator paused."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from storage.types import Base


class ChannelState(Base):
    """A push channel that is paused, why, and until when. No row: the channel is open."""

    __tablename__ = "channels"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    paused_at: Mapped[datetime]
    paused_until: Mapped[datetime]
    code: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str]


class ChannelHealth(Base):
    """When a vendor last took a message over a channel, and since when it takes none by a fault of its own."""

    __tablename__ = "channel_health"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    # Half a minute old at the most while messages go out.
    accepted_at: Mapped[datetime | None]
    trouble_since: Mapped[datetime | None]
    trouble_code: Mapped[str | None] = mapped_column(String(64))
    trouble_detail: Mapped[str | None]


class Pause(Base):
    """What an operator paused everywhere: "crawl", "push", or the pushes of the channel of this name.

    It stays until the operator ends it, apart from the pauses in `channels`, which a probe ends.
    """

    __tablename__ = "pauses"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    paused_at: Mapped[datetime]
