"""Of people: what requests about them may say, and what answers do."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field, model_validator

from pipeline.fanout.phrases import MAX_ALTERNATIVES
from pipeline.people import entries
from pipeline.web.schemas.basics import Id, In, PageIn, PostBrief, Text
from storage.bulk import SubscriptionEntry


class UserOut(BaseModel):
    """A person."""

    user: str
    timezone: str
    paused: bool
    created_at: datetime
    badge: int = Field(description="How many notifications were sent and not read.")
    quiet_hours: str = Field(description="Hours without pushes, in the person's zone.", examples=["22:00-08:00"])
    digest: str = Field(description="Times of day at which all that came is one push.", examples=["08:00,18:00"])
    daily_cap: int | None = Field(description="Pushes a day; what is more joins the next digest.")
    urgent_passes: bool = Field(description="Whether posts of urgent sites ring in quiet hours too.")
    defaults: list[str] = Field(description="Which of these four are as the installation has them.")
    snooze_until: datetime | None = Field(description="No pushes before.")


class UserChange(In):
    """What may change about a person; what is left out stays."""

    timezone: Text | None = Field(None, examples=["Asia/Seoul"])
    paused: bool | None = None
    quiet_hours: Text | None = Field(None, examples=["22:00-08:00; fri,sat 23:00-10:00", "none", "default"])
    digest: Text | None = Field(None, examples=["08:00,18:00", "none", "default"])
    daily_cap: int | Text | None = Field(None, examples=[20, "none", "default"])
    urgent_passes: bool | Literal["default"] | None = None
    snooze: Text | None = Field(None, examples=["2h", "until 09:00", "2026-12-01T09:00:00Z", "off"])


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

    phrase: Text | None = Field(
        None, examples=["장학금"], description='Also any of up to ten: "알바 | 아르바이트", or as phrases.'
    )
    phrases: list[Text] | None = Field(None, max_length=MAX_ALTERNATIVES, description="Any of these, instead of one.")
    kind: Literal["word", "substring"] | None = None
    site: Text | None = None
    exclude: list[Text] = Field(default_factory=list, max_length=20)
    body: bool = Field(default=False, description="Look in the posts' bodies too.")
    title_only: bool = Field(default=False, description="Not in the bodies, even where the site looks there.")
    pace: Literal["now", "hourly", "daily", "inbox", "default"] | None = Field(
        None,
        description="How often it may push; default: as the person's digests say. Left out: as it is.",
    )

    @model_validator(mode="after")
    def _either(self) -> "SubscriptionIn":
        if self.phrase is not None and self.phrases is not None:
            raise ValueError("give phrase or phrases, not both")
        return self

    def entry(self, user: str) -> SubscriptionEntry:
        """The same as a subscription of a user. Raises a ValueError with the reason for one that cannot be."""
        phrase = entries.any_of(self.phrases, self.kind) if self.phrases else self.phrase
        return entries.subscription_entry({"user": user, **self.model_dump(exclude={"phrases"}), "phrase": phrase})


class SubscriptionChange(In):
    """What may change about a subscription; what is left out stays."""

    exclude: list[Text] | None = Field(None, max_length=20)
    body: bool | None = None
    title_only: bool | None = None
    pace: Literal["now", "hourly", "daily", "inbox", "default"] | None = None


class SubscriptionOut(BaseModel):
    """A subscription."""

    id: int
    phrase: str | None
    phrases: list[str] = Field(description="The phrases any of which will do; mostly the one.")
    kind: str | None
    site: str | None
    exclude: list[str]
    body: bool
    title_only: bool
    pace: str | None = Field(description="null: as the person's digests say.")


class ElsewhereOut(BaseModel):
    """Another site that has the same story."""

    post: int
    site: str
    url: str


class NotificationOut(BaseModel):
    """A post that a person was owed, and what became of it."""

    id: int
    post: PostBrief
    phrase: str | None
    status: str
    reason: str | None
    says: str = Field(
        description="The status in words, times in the person's zone.",
        examples=["waits until 2026-12-02 08:10: quiet hours", "in the inbox only: inbox pace", "sent"],
    )
    waits_until: datetime | None = Field(description="When the person's own time comes, for which it waits.")
    created_at: datetime
    sent_at: datetime | None
    read_at: datetime | None
    opened_at: datetime | None
    dismissed_at: datetime | None
    also_on: list[ElsewhereOut] = Field(description="Where the same story stands too: no push came of these.")


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
    """What a person did with a push: a tap, a swipe, or an action that the app shows under it."""

    event: Literal["opened", "dismissed", "read", "unsubscribe"] = Field(
        description="unsubscribe: not this phrase any more; of a notification without one, not this site any more."
    )


class DigestEventIn(In):
    """What a person did with a digest. Opened leads to the inbox, where each of its posts is opened by itself."""

    event: Literal["opened", "dismissed", "read"]


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
