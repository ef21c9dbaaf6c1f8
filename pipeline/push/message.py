"""What goes to one phone, and the pure text rules that make it safe to show and small enough to send."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pipeline.errors import PipelineError

MAX_PAYLOAD_BYTES = 4096
"""Both vendors' limit: FCM, "About FCM messages"; APNs, "Generating a remote notification"."""

MAX_TAG_BYTES = 64
"""Apple, "Sending notification requests to APNs": apns-collapse-id may not exceed 64 bytes."""

TEXT_BYTES = 1024
"""At least so much of a payload is for title and body, before an address or the like may have it."""

ELLIPSIS = "…"

OWN_DATA = ("notification_id",)
"""Values of a message's data that are one phone's own. All others are the same for the many phones of a post."""


class Platform(StrEnum):
    """The road a device is reached by; the same words as in the devices table."""

    FCM = "fcm"
    APNS = "apns"
    CONSOLE = "console"


class PayloadTooLargeError(PipelineError, ValueError):
    """The payload exceeds 4,096 bytes even without all that can be left out; the sentence names its size."""


# Not frozen, as one is made for each message: to set the fields of frozen ones takes three times as long.
@dataclass(kw_only=True)
class Message:
    """One notification for one device, complete: a channel needs nothing else to send it."""

    delivery_id: str
    """Stable text id of the delivery. The same delivery sent again has the same id (apns-id is derived from it)."""
    platform: Platform
    token: str = field(repr=False)
    """The registration token (FCM) or device token (APNs, hexadecimal). A secret: never logged."""
    environment: str | None = None
    """APNs only: "production" or "sandbox"; None means the channel's default."""
    app: str | None = None
    """APNs only: the bundle id that the token belongs to; None means the channel's topic."""
    tag: str
    """The post on the phone: android.notification.tag and apns-collapse-id. The same tag replaces what is shown."""
    title: str
    body: str
    url: str | None = None
    """Deep link that a tap opens."""
    fallback_url: str | None = None
    """Where a tap leads when the payload has no room for `url`: the site's own address, say."""
    data: Mapping[str, str] = field(default_factory=dict)
    badge: int | None = None
    sound: str | None = "default"
    channel_id: str | None = None
    """Android notification channel."""
    thread_id: str | None = None
    """iOS groups notifications of one thread."""
    image: str | None = None
    """https URL of a picture."""
    interruption: Literal["passive", "time-sensitive"] | None = None
    """How far it may disturb: seen when the person looks, or in spite of their focus; None: as any other."""
    category: str | None = None
    """Which actions the app shows under it: APNs' category, and a value of the data for the others."""
    created_at: datetime
    """When the notification came into being, aware, UTC: its age and expiry count from here."""
    ttl_s: int = 259_200
    """Seconds after created_at at which nobody wants to see it any more."""

    def __post_init__(self) -> None:
        if len(self.tag.encode("utf-8")) > MAX_TAG_BYTES:
            raise ValueError(f"The tag {self.tag!r} is longer than {MAX_TAG_BYTES} bytes; use tag_for_post().")
        if self.created_at.tzinfo is None:
            raise ValueError("created_at has no time zone; pass an aware datetime, for example datetime.now(UTC).")

    @property
    def expires_at(self) -> datetime:
        """The moment after which the vendor should no longer try."""
        return self.created_at + timedelta(seconds=self.ttl_s)


def tag_for_post(post_id: int) -> str:
    """Return the tag that stands for a post on every phone."""
    return f"post-{post_id}"


def tag_for_digest(digest_id: int) -> str:
    """Return the tag that stands for a digest on every phone."""
    return f"digest-{digest_id}"


# Bidirectional embeddings, overrides and isolates can turn the rest of a notification around; a lone surrogate
# cannot be encoded as UTF-8; zero width space, word joiner and byte order mark are invisible ballast. The zero
# width joiner (U+200D) stays: emoji and several scripts are built with it.
_UNWANTED = re.compile(
    "[\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff\ud800-\udfff\ufffe\uffff\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]"
)


def clean_text(text: str) -> str:
    """Return the text as one line for a phone: composed (NFC), no control characters, white space folded."""
    return " ".join(unicodedata.normalize("NFC", _UNWANTED.sub("", text)).split())


def _extends(char: str) -> bool:
    """Whether the character belongs to the one before it (a grapheme never begins with it)."""
    code = ord(char)
    return (
        unicodedata.category(char) in {"Mn", "Me", "Mc"}  # accents, variation selectors, keycaps, vowel signs
        or code in {0x200C, 0x200D}  # joiners
        or 0x1F3FB <= code <= 0x1F3FF  # skin tones
        or 0xE0020 <= code <= 0xE007F  # the tags in the flags of England, Scotland and Wales
        or 0x1160 <= code <= 0x11FF  # Hangul vowels and finals that follow a leading consonant
    )


def _splits_flag(text: str, at: int) -> bool:
    """Whether a cut before `at` would part the two regional indicators of one flag."""
    run = 0
    while at - 1 - run >= 0 and 0x1F1E6 <= ord(text[at - 1 - run]) <= 0x1F1FF:
        run += 1
    return run % 2 == 1 and 0x1F1E6 <= ord(text[at]) <= 0x1F1FF


def boundary_before(text: str, at: int) -> int:
    """Return the largest index <= at where the text may be cut without tearing a visible character apart."""
    at = min(at, len(text))
    while 0 < at < len(text) and (_extends(text[at]) or text[at - 1] == "\u200d" or _splits_flag(text, at)):
        at -= 1
    return at


def fit(message: Message, build: Callable[[Message], bytes], limit: int = MAX_PAYLOAD_BYTES) -> tuple[Message, bytes]:
    """Return the message and its encoded payload, shortened until the payload is at most `limit` bytes.

    `build` encodes the message as it goes over the wire. Where what nobody reads leaves too little room for what
    somebody does, the heaviest of it goes first: an address is replaced by the fallback, and left out if that is not
    enough. Then the body is cut, the title only when an empty body is not enough; both on a character boundary and
    marked with an ellipsis. Raises PayloadTooLargeError when token and the like alone are over the limit.
    """
    payload = build(message)
    if len(payload) <= limit:
        return message, payload
    message = _with_room_for_text(message, build, limit - TEXT_BYTES)
    payload = build(message)
    for name in ("body", "title"):
        if len(payload) <= limit:
            break
        text: str = getattr(message, name)
        low, high = 0, len(text)  # the longest prefix that fits is in [low, high)
        while high - low > 1:
            middle = (low + high) // 2
            if len(build(_shortened(message, name, text, middle))) <= limit:
                low = middle
            else:
                high = middle
        message = _shortened(message, name, text, low)
        payload = build(message)
    if len(payload) > limit:
        raise PayloadTooLargeError(
            f"The payload has {len(payload)} bytes without texts, links and data; {limit} are allowed: is this a token?"
        )
    return message, payload


def _with_room_for_text(message: Message, build: Callable[[Message], bytes], frame: int) -> Message:
    def size(changed: Message) -> int:
        return len(build(replace(changed, title="", body="")))

    left = size(message)
    while left > frame:
        message = min((lighter(message) for lighter in _LIGHTER), key=size)
        before, left = left, size(message)
        if left >= before:
            break
    return message


def _without_address(message: Message) -> Message:
    """The message with the fallback as its address, if that is shorter, or without one: the app shows what it has."""
    url = message.fallback_url if len(message.fallback_url or "") < len(message.url or "") else None
    # What the app gets as the post's address, and as where a tap leads when that is another one.
    data = {name: value for name, value in message.data.items() if name not in {"url", "link"}}
    return replace(message, url=url, data={**data, "url": url} if url and "url" in message.data else data)


def _without_further_data(message: Message) -> Message:
    return replace(message, data={key: message.data[key] for key in ("post_id", "site", "url") if key in message.data})


_LIGHTER: tuple[Callable[[Message], Message], ...] = (
    _without_address,
    _without_further_data,
    lambda message: replace(message, image=None),
    lambda message: replace(message, thread_id=None),
)
"""What makes a message smaller that nobody reads."""


def _shortened(message: Message, name: str, text: str, length: int) -> Message:
    kept = text[: boundary_before(text, length)].rstrip()
    changed = kept + ELLIPSIS if kept else ""
    return replace(message, body=changed) if name == "body" else replace(message, title=changed)
