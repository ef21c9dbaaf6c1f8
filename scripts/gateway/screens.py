"""What the phones behind the tokens show, as their owners see it: facts for the page that draws them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from scripts.gateway.record import Phone, Push, PushRecord, Shown, part_of, rings, text_of

PHONES_SHOWN = 12
NOTICES_SHOWN = 8
"""The page draws so many phones, and so many notifications on each; the JSON has all."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A notification on a screen."""

    # Of the message that it shows: grows with each that is accepted.
    number: int
    at: datetime
    title: str
    body: str
    # How often it was sent; above 1, the later ones replaced it in place.
    sends: int
    quiet: bool
    # Where its picture is; the page draws a frame with the host's name, and fetches nothing.
    picture: str


@dataclass(frozen=True, kw_only=True)
class Screen:
    """A phone's screen."""

    # "android" or "iphone".
    kind: str
    # Whose phone it is, if somebody told; else empty.
    owner: str
    # Tells phones without an owner apart; a token is never shown.
    number: int
    is_sandbox: bool = False
    badge: int = 0
    notices: Sequence[Notice] = field(default=())
    # Older notifications that are below those.
    more: int = 0

    @property
    def newest(self) -> int:
        """The number of the newest message; 0 without any."""
        return max((notice.number for notice in self.notices), default=0)


def screens(record: PushRecord, owners: Mapping[tuple[str, str], str]) -> list[Screen]:
    """The screens to draw: first the phones with a known owner, then those that were sent something last.

    owners: (platform, token) -> name; such a phone is drawn before anything arrives.
    """
    named = [_screen(record.phone(key) or Phone(*key, "production"), owner) for key, owner in owners.items()]
    others = (phone for phone in record.newest_phones() if (phone.platform, phone.token) not in owners)
    return [*named, *(_screen(phone, "") for phone in islice(others, max(0, PHONES_SHOWN - len(named))))]


def _screen(phone: Phone, owner: str) -> Screen:
    # What replaces an older one moves up, as it does on a phone. A message without a text shows nothing.
    newest_first = sorted(phone.shown.values(), key=lambda each: -each.last.number)
    visible = [each for each in newest_first if any(text_of(each.last)[:2])]
    return Screen(
        kind="android" if phone.platform == "fcm" else "iphone",
        owner=owner,
        number=phone.number,
        is_sandbox=phone.environment == "sandbox",
        badge=_badge(phone.platform, newest_first, len(visible)),
        notices=[_notice(each, phone.platform) for each in visible[:NOTICES_SHOWN]],
        more=max(0, len(visible) - NOTICES_SHOWN),
    )


def _notice(shown: Shown, platform: str) -> Notice:
    push = shown.last
    message = push.message()
    title, body, _ = text_of(push)
    return Notice(
        number=push.number,
        at=datetime.fromtimestamp(push.at).astimezone(),
        title=title,
        body=body,
        sends=shown.sends,
        quiet=not rings(push),
        picture=_host(_picture(message, platform)),
    )


def _badge(platform: str, newest_first: Sequence[Shown], visible: int) -> int:
    """An iPhone shows the last number that it was told; Android counts what it shows, unless it is told."""
    # What replaces another silently tells none: the one before it stays.
    pushes = sorted({push.number: push for each in newest_first for push in (each.first, each.last)}.items())
    told = next((number for _, push in reversed(pushes) if (number := _told(push)) is not None), None)
    if platform == "apns":
        return told or 0
    return visible if told is None else min(told, 999) if visible else 0


def _told(push: Push) -> int | None:
    message = push.message()
    if push.platform == "fcm":
        value = part_of(part_of(message, "android"), "notification").get("notification_count")
    else:
        value = part_of(message, "aps").get("badge")
    return value if isinstance(value, int) else None


def _picture(message: Mapping[str, Any], platform: str) -> str:
    if platform == "fcm":
        own = part_of(part_of(message, "android"), "notification").get("image")
        return str(own or part_of(message, "notification").get("image") or "")
    # The app's extension fetches it, and is woken for that by mutable-content alone.
    return str(message.get("image") or "") if part_of(message, "aps").get("mutable-content") else ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
