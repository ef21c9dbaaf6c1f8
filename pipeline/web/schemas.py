"""What goes over the wire: the fields that requests may have, and those that answers have.

Requests refuse fields that they do not know. Texts never hold NUL, which PostgreSQL cannot store.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pipeline.basics.ids import LARGEST_ID

Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]


def _clean(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a text must not hold NUL")
    return text


Text = Annotated[str, AfterValidator(_clean)]
Name = Annotated[Text, Field(min_length=1, max_length=64)]
Installation = Annotated[Text, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]


class In(BaseModel):
    """A request's body or query."""

    model_config = ConfigDict(extra="forbid", str_max_length=4096)


class Problem(BaseModel):
    """An error, as RFC 9457 has it; `detail` is a sentence for a person."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class PageIn(In):
    """A page of a list."""

    cursor: Id | None = Field(None, description="`next_cursor` of the page before.")
    limit: int = Field(50, ge=1, le=100)


class UserOut(BaseModel):
    """A person."""

    user: str
    timezone: str
    paused: bool
    created_at: datetime
    badge: int = Field(description="How many notifications were sent and not read.")


class UserChange(In):
    """What may change about a person; what is left out stays."""

    timezone: Text | None = Field(None, examples=["Asia/Seoul"])
    paused: bool | None = None


class DeviceIn(In):
    """A phone as its app registers it at each start."""

    platform: Text = Field(examples=["fcm"])
    token: Text = Field(repr=False, examples=["registration-token-of-fcm"])
    environment: Literal["production", "sandbox"] | None = Field(None, description="APNs only.")
    app: Text | None = Field(None, max_length=155, description="APNs only: the bundle id, where it is not APNS_TOPIC.")
    locale: Text | None = Field(None, max_length=35, examples=["ko-KR"])
    timezone: Text | None = Field(None, examples=["Asia/Seoul"])


class DeviceOut(BaseModel):
    """A phone. Its token is in no answer."""

    id: int
    installation: str | None
    platform: str
    environment: str | None
    app: str | None
    locale: str | None
    created_at: datetime
    last_seen_at: datetime
    disabled_at: datetime | None
    disabled_reason: str | None


class PushTestOut(BaseModel):
    """What the vendor said to a push."""

    delivered: bool
    answer: str


class SubscriptionIn(In):
    """What a person wants to hear of; without a phrase every post of the site."""

    phrase: Text | None = Field(None, examples=["장학금"])
    kind: Literal["word", "substring"] | None = None
    site: Text | None = None
    exclude: list[Text] = Field(default_factory=list, max_length=20)
    body: bool = Field(default=False, description="Look in the posts' bodies too.")


class SubscriptionChange(In):
    """What may change about a subscription; what is left out stays."""

    exclude: list[Text] | None = Field(None, max_length=20)
    body: bool | None = None


class SubscriptionOut(BaseModel):
    """A subscription."""

    id: int
    phrase: str | None
    kind: str | None
    site: str | None
    exclude: list[str]
    body: bool


class PostBrief(BaseModel):
    """The post that a notification is about."""

    id: int
    site: str
    title: str
    url: str


class NotificationOut(BaseModel):
    """A post that a person was owed, and what became of it."""

    id: int
    post: PostBrief
    phrase: str | None
    status: str
    reason: str | None
    created_at: datetime
    sent_at: datetime | None
    read_at: datetime | None
    opened_at: datetime | None
    dismissed_at: datetime | None


class InboxIn(PageIn):
    """A page of the inbox."""

    unread: bool = Field(default=False, description="Only what was not read.")


class InboxOut(BaseModel):
    """The newest notifications first."""

    items: list[NotificationOut]
    next_cursor: int | None


class ReadIn(In):
    """Which notifications were read: exactly one of the three."""

    ids: list[Id] | None = Field(None, max_length=1000)
    up_to: Id | None = Field(None, description="This one and all before it.")
    all: bool | None = None

    @model_validator(mode="after")
    def _one(self) -> "ReadIn":
        if sum((self.ids is not None, self.up_to is not None, self.all is True)) != 1:
            raise ValueError("give exactly one of ids, up_to, and all (true)")
        return self


class ReadOut(BaseModel):
    """What reading changed."""

    read: int
    badge: int


class BadgeOut(BaseModel):
    """The number on the app's icon."""

    badge: int


class EventIn(In):
    """What a person did with a push."""

    event: Literal["opened", "dismissed"]


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


class TokenIn(In):
    """How long a token is to hold."""

    seconds: int = Field(3600, ge=60, le=86_400)


class TokenOut(BaseModel):
    """A user's token."""

    token: str
    expires_at: datetime


class InstallIn(In):
    """A phone without a login."""

    timezone: Text = Field("UTC", examples=["Asia/Seoul"])


class InstallOut(BaseModel):
    """The secret for the phone's keychain, shown once, and a first token."""

    user: str
    secret: str
    token: str
    expires_at: datetime


class SecretIn(In):
    """The secret of an installation."""

    secret: Text = Field(repr=False, max_length=128)


class ClaimOut(BaseModel):
    """What the known user took over from the anonymous one."""

    devices: int
    subscriptions: int
    notifications: int


class ImportOut(BaseModel):
    """What became of an import: each refused line with its reason."""

    read: int
    added: int
    rejected: list["RejectedLine"]


class RejectedLine(BaseModel):
    """A line that was not stored."""

    line: int
    reason: str


class ExportOut(BaseModel):
    """All that is kept of a person."""

    user: UserOut
    devices: list[DeviceOut]
    subscriptions: list[SubscriptionOut]
    notifications: list[NotificationOut]
