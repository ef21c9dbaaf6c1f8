"""Of sites and posts: what requests about them may say, and what answers do."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from pipeline.web.schemas.basics import In, Name, PageIn, PostBrief, Text
from storage.models import Edits


class SiteBrief(BaseModel):
    """A site that one may subscribe to."""

    name: str
    url: str | None


class SiteOut(SiteBrief):
    """A site as an operator sees it."""

    spider: str
    health: str
    enabled: bool
    schedule: str
    timezone: str
    next_crawl_at: datetime | None
    last_crawl_at: datetime | None
    held_posts: int


Param = Text | list[Text] | int | bool


class Definition(In):
    """How a site is read, and when; docs/sites.md says what each means. What is left out has its default, or stays."""

    spider: Text | None = Field(None, examples=["listing"])
    url: Text | None = Field(None, examples=["https://board.example/notice"])
    params: dict[Name, Param] = Field(default_factory=dict, max_length=60, examples=[{"row": "tr", "title": "a"}])
    schedule: Text | None = Field(None, examples=["5m"])
    timezone: Text | None = Field(None, examples=["Asia/Seoul"])
    active_hours: Text | None = None
    max_age: Text | None = Field(None, examples=["7d"])
    ttl: Text | None = Field(None, examples=["3d"])
    match_body: bool | None = None
    urgent: bool | None = Field(None, description="Its posts ring in quiet hours too, of users who allow it.")
    edits: Edits | None = Field(
        None, description="What an edit does to phones that show the post: replace shows the new text silently."
    )
    allow_private: bool | None = None
    robots_exempt: Text | None = Field(None, description="Why robots.txt is not obeyed.")


class SiteIn(Definition):
    """A site to be watched."""

    name: Text = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$", examples=["notices"])
    check: bool = Field(default=True, description="Fetch the page first, and refuse what finds no posts on it.")
    notify_existing: bool = Field(default=False, description="Push what the first crawl finds.")


class SiteChange(Definition):
    """What changes about a site."""

    enabled: bool | None = None
    check: bool = True
    notify_existing: bool = False


class TryIn(In):
    """An address to look at."""

    url: Text = Field(examples=["https://board.example/notice"])
    spider: Text | None = Field(None, description="With its parameters; left out: find out.")
    params: dict[Name, Param] = Field(default_factory=dict, max_length=60)
    timezone: Text | None = None
    allow_private: bool = False


class TryOut(BaseModel):
    """What would be watched, and the posts that it gives now."""

    spider: str
    params: dict[str, Any]
    posts: list[dict[str, Any]]
    feeds: list[str]
    notes: list[str]


class RunOut(BaseModel):
    """A crawl."""

    id: int
    trigger: str
    status: str
    reason: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    pages: int
    items_seen: int
    new_posts: int
    errors: int
    first_error: str | None


class PostsIn(PageIn):
    """A page of the posts."""

    site: Text | None = None
    q: Text | None = Field(None, min_length=2, max_length=100, description="A part of the title.")


class PostOut(PostBrief):
    """A post."""

    author: str
    published_at: datetime | None
    first_seen_at: datetime


class PostsOut(BaseModel):
    """The newest posts first."""

    items: list[PostOut]
    next_cursor: int | None


class TraceOut(BaseModel):
    """What became of a post: whom it matched, and the outcome on their devices."""

    post: PostOut
    fanout: str
    matched_users: int
    notifications: dict[str, int]
    phrases: dict[str, int]
    devices: dict[str, int]


class RunQueued(BaseModel):
    """A crawl that was asked for."""

    run: int


class Settled(BaseModel):
    """Held posts that were released or dropped."""

    posts: int


class PauseIn(In):
    """What is paused or resumed."""

    what: Literal["crawl", "push"]
    site: Text | None = None
    channel: Text | None = None


class PauseOut(BaseModel):
    """Whether the call changed something."""

    changed: bool
