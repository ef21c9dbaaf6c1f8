"""The sites that are watched, and what is kept of them from one crawl to the next."""

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import ForeignKey, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.types import Base, BigId

Edits = Literal["keep", "replace"]
EDITS: tuple[Edits, ...] = get_args(Edits)
"""What an edit may do to the phones that show the post: leave them alone, or show its new text silently."""


class Site(Base):
    """A board or feed that is watched."""

    __tablename__ = "sites"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    spider: Mapped[str] = mapped_column(String(64))
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    schedule: Mapped[str] = mapped_column(String(128), server_default="5m")
    timezone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    active_hours: Mapped[str | None] = mapped_column(String(16))
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime]
    next_crawl_at: Mapped[datetime | None]
    # The first finished run that saw items is a silent baseline; this says that it is behind us (or was not wanted).
    baseline_done: Mapped[bool] = mapped_column(server_default=text("false"))
    # Consecutive failed runs, and consecutive finished runs without items where there used to be some.
    failures: Mapped[int] = mapped_column(server_default="0")
    empty_runs: Mapped[int] = mapped_column(server_default="0")
    suspended_until: Mapped[datetime | None]
    # What alerts and `status` go by, with hysteresis: "broken", "suspect", "ids change" or nothing, and the good runs
    # in a row since.
    trouble: Mapped[str | None] = mapped_column(String(16))
    trouble_since: Mapped[datetime | None]
    good_runs: Mapped[int] = mapped_column(server_default="0")
    # What to set, in words, when a run showed that the definition does not fit; shown while the site is in trouble.
    advice: Mapped[str | None]
    # Of an adaptive schedule: the interval that how often the site posts gives now.
    adaptive_interval_s: Mapped[int | None]
    # Due crawls that were left out because the last run was still unfinished.
    skipped_runs: Mapped[int] = mapped_column(server_default="0")
    # Posts published longer ago than this are stored and never pushed; notices older than ttl are not sent any more.
    max_age_s: Mapped[int] = mapped_column(server_default=str(7 * 86_400))
    ttl_s: Mapped[int] = mapped_column(server_default=str(3 * 86_400))
    # Sites of one group that say the same tell a person once (storage.stories); what this one puts into brackets around
    # its titles, comma-separated, is no part of what they say.
    group: Mapped[str | None] = mapped_column("story_group", String(64))
    labels: Mapped[str | None]
    match_body: Mapped[bool] = mapped_column(server_default=text("false"))
    # What differs from the usual message: templates, sound, Android channel and so on (pipeline.delivery.template).
    push: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    # Loopback and private addresses are refused unless the site says so; robots.txt is obeyed unless a reason is given.
    allow_private: Mapped[bool] = mapped_column(server_default=text("false"))
    robots_exempt_reason: Mapped[str | None]
    # An operator paused this site's crawls, or the pushes of its posts (storage.pauses).
    crawl_paused_at: Mapped[datetime | None]
    push_paused_at: Mapped[datetime | None]
    # Its posts pass the quiet hours of those who allow it.
    urgent: Mapped[bool] = mapped_column(server_default=text("false"))
    # One of EDITS.
    edits: Mapped[str] = mapped_column(String(16), server_default="keep")


class SiteSession(Base):
    """What is left of a site's last session with a login."""

    __tablename__ = "site_sessions"

    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True)
    # Cookies, encrypted by SESSION_KEY; None where there are none that work.
    cookies: Mapped[str | None]
    # Logins that the site refused, in a row.
    refused: Mapped[int] = mapped_column(server_default="0")
    saved_at: Mapped[datetime]


class PageValidator(Base):
    """What a conditional GET needs: the ETag and Last-Modified of a page, from the last finished run."""

    __tablename__ = "page_validators"
    __table_args__ = (UniqueConstraint("site_id", "url"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(String(2048))
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    # When the page last came whole; without it, long ago.
    fetched_at: Mapped[datetime | None]


class Showing(Base):
    """What a site's page showed in the last good run that found new posts: what a later one is compared with."""

    __tablename__ = "showings"

    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True)
    post_ids: Mapped[list[int]]


class RobotsFile(Base):
    """A robots.txt, kept so that it is not fetched before each crawl, and for when it cannot be fetched."""

    __tablename__ = "robots_files"

    origin: Mapped[str] = mapped_column(String(512), primary_key=True)
    body: Mapped[str]
    fetched_at: Mapped[datetime]
