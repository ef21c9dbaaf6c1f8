"""Crawls, and the posts that they found."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.types import Base, BigId, one_of, partial_index

EXTERNAL_ID_LENGTH = 512
RUN_UNFINISHED = ("queued", "running")
RUN_STATUSES = (*RUN_UNFINISHED, "finished", "failed")
FANOUT_STATES = ("undecided", "ready", "held", "dropped", "silent", "done")
FANOUT_IS_OPEN = "fanout IN ('undecided', 'ready', 'held')"
"""The condition of the index over posts that somebody still has to act upon."""


class CrawlRun(Base):
    """One crawl of one site, owed (queued), under way (running) or over."""

    __tablename__ = "crawl_runs"
    __table_args__ = (
        one_of("status", RUN_STATUSES),
        # At most one unfinished run per site: this is what keeps two crawls of a site from overlapping.
        partial_index("uq_crawl_runs_unfinished", "site_id", where="status IN ('queued', 'running')", unique=True),
        # The line of those that wait for a host.
        partial_index("ix_crawl_runs_line", "host", "id", where="status IN ('queued', 'running')"),
        Index("ix_crawl_runs_site_id_id", "site_id", "id"),
        Index("ix_crawl_runs_finished_at", "finished_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"))
    # The host that it goes to, which takes one crawl at a time. None in the runs of older versions.
    host: Mapped[str | None] = mapped_column(String(255))
    trigger: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    enqueued_at: Mapped[datetime | None]
    # The lease: whoever closes the run must still hold this token; a run whose lease ran out is dead.
    owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    finish_reason: Mapped[str | None] = mapped_column(String(64))
    pages: Mapped[int] = mapped_column(server_default="0")
    bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    items_seen: Mapped[int] = mapped_column(server_default="0")
    new_posts: Mapped[int] = mapped_column(server_default="0")
    # Posts that came under new ids and were recognised as old ones (pipeline.crawling.same_posts).
    carried_posts: Mapped[int] = mapped_column(server_default="0")
    errors: Mapped[int] = mapped_column(server_default="0")
    first_error: Mapped[str | None]
    status_counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    not_modified: Mapped[bool] = mapped_column(server_default=text("false"))
    cpu_s: Mapped[float | None]
    # Posts' own pages that were read, and why others were not, in words.
    post_pages: Mapped[int] = mapped_column(server_default="0")
    page_problem: Mapped[str | None]


class Post(Base):
    """A post of a site. It is new exactly once: when this row is inserted."""

    __tablename__ = "posts"
    __table_args__ = (
        UniqueConstraint("site_id", "external_id"),
        one_of("fanout", FANOUT_STATES),
        Index("ix_posts_run_id", "run_id"),
        Index("ix_posts_first_seen_at", "first_seen_at"),
        partial_index("ix_posts_missing", "site_id", where="missing > 0"),
        # A story holds one post of each site.
        partial_index("uq_posts_story_id", "story_id", "site_id", where="story_id IS NOT NULL", unique=True),
        Index("ix_posts_site_id_id", "site_id", "id"),
        # Retention empties old texts, and must not read those again that it has emptied.
        partial_index("ix_posts_with_body", "first_seen_at", where="body <> ''"),
        # The states that somebody still has to act upon are few; finished posts are many.
        partial_index("ix_posts_fanout_open", "fanout", "fanout_lease_until", where=FANOUT_IS_OPEN),
        partial_index("ix_posts_page_owed", "site_id", where="page_tries IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("crawl_runs.id", ondelete="SET NULL"))
    external_id: Mapped[str] = mapped_column(String(EXTERNAL_ID_LENGTH))
    url: Mapped[str]
    title: Mapped[str]
    body: Mapped[str] = mapped_column(server_default="")
    author: Mapped[str] = mapped_column(server_default="")
    published_at: Mapped[datetime | None]
    first_seen_at: Mapped[datetime]
    content_hash: Mapped[str] = mapped_column(String(64))
    # Counts the edits since its readers were found: what a phone shows is of one of them.
    version: Mapped[int] = mapped_column(server_default="0")
    fanout: Mapped[str] = mapped_column(String(16), server_default="undecided")
    # The last user id whose notification rows and messages are done; a fan-out goes on after it.
    fanout_cursor: Mapped[int] = mapped_column(BigInteger, server_default="0")
    fanout_token: Mapped[str | None] = mapped_column(String(64))
    fanout_lease_until: Mapped[datetime | None]
    fanout_enqueued_at: Mapped[datetime | None]
    fanout_at: Mapped[datetime | None]
    matched_users: Mapped[int] = mapped_column(server_default="0")
    # Its own page (storage.post_pages): the crawls that tried to read it, while it is owed; then its files, each with
    # name and url (None: it was not read), and a picture. Its text is the body.
    page_tries: Mapped[int | None]
    attachments: Mapped[list[dict[str, str]] | None]
    image: Mapped[str | None]
    # Good crawls in a row that missed it though older posts still stand on its page (storage.leaving); since when it is
    # gone.
    missing: Mapped[int] = mapped_column(server_default="0")
    gone_at: Mapped[datetime | None]
    # The story that it is a part of (storage.stories), unless an operator split it off for good.
    story_id: Mapped[int | None] = mapped_column(ForeignKey("stories.id"))
    is_split: Mapped[bool] = mapped_column(server_default=text("false"))


class Story(Base):
    """What several sites of a group say. The unique key is why two that find it at once make one of it."""

    __tablename__ = "stories"
    __table_args__ = (UniqueConstraint("story_group", "key", "number"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    group: Mapped[str] = mapped_column("story_group", String(64))
    # Of the titles (pipeline.crawling.story_key).
    key: Mapped[str] = mapped_column(String(512))
    # The how many-th of this key.
    number: Mapped[int]
    begun_at: Mapped[datetime]


class FanOutRange(Base):
    """What is left of a range of users in a fan-out that was split (storage.fanout_ranges)."""

    __tablename__ = "fanout_ranges"

    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    # The last user id of the range, and the last one that was served.
    upto: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    cursor: Mapped[int] = mapped_column(BigInteger)
    token: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]


class PostEdit(Base):
    """A post whose text changed since its readers were found (storage.edits). Written under the lock of its post."""

    __tablename__ = "post_edits"
    __table_args__ = (
        partial_index("ix_post_edits_changed", "post_id", where="changed"),
        partial_index("ix_post_edits_replace_at", "replace_at", where="replace_at IS NOT NULL"),
    )

    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    # The text by which the readers were found; empty when there is nothing to do.
    title: Mapped[str]
    body: Mapped[str]
    # The post's text is another one by now, and nobody has looked yet whom it concerns.
    changed: Mapped[bool]
    # The fan-out that is due or under way is for those alone whom the text above does not concern.
    fanning: Mapped[bool] = mapped_column(server_default=text("false"))
    # Every change was one to be expected: a part of the text that came later than the rest.
    expected: Mapped[bool]
    # Digests of what was found in the texts for which the post was fanned out, the latest last.
    seen: Mapped[list[int]] = mapped_column(server_default=text("'[]'"), default=list)
    # When the phones that show the post are to show its text; None while there is nothing to replace.
    replace_at: Mapped[datetime | None]
    # The last such times, in seconds since 1970, and a digest of the text of the last.
    replaced: Mapped[list[int]] = mapped_column(server_default=text("'[]'"), default=list)
    shown: Mapped[int | None] = mapped_column(BigInteger)
