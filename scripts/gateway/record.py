"""What the gateway accepted, and what the phones behind the tokens show for it."""

import json
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One accepted message. It keeps the bytes as they came; they are read when someone asks."""

    # 1 is the first message after the start or a reset.
    number: int
    # Epoch seconds.
    at: float
    # "fcm" or "apns".
    platform: str
    # "production" or "sandbox"; FCM has only production.
    environment: str
    token: str = field(repr=False)
    # FCM's android.notification.tag, or apns-collapse-id.
    tag: str | None
    # The apns-* headers.
    headers: Mapping[str, str] = field(repr=False)
    # The request's body.
    content: bytes = field(repr=False)

    def message(self) -> dict[str, Any]:
        """Return the parsed body: FCM's `message`, or the APNs payload."""
        parsed: dict[str, Any] = json.loads(self.content)
        return dict(parsed["message"]) if self.platform == "fcm" else parsed

    def to_json(self) -> dict[str, Any]:
        """Return everything known about the message, as JSON values."""
        message = self.message()
        title, body, data = text_of(self)
        return {
            "number": self.number,
            "at": _iso(self.at),
            "platform": self.platform,
            "environment": self.environment,
            "token": self.token,
            "tag": self.tag,
            "title": title,
            "body": body,
            "data": data,
            "headers": dict(self.headers),
            "message": message,
        }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def fcm_text(message: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Return title, body and data of an FCM message; Android's own notification goes before the common one."""
    common = message.get("notification") or {}
    android = (message.get("android") or {}).get("notification") or {}
    title = android.get("title") or common.get("title") or ""
    body = android.get("body") or common.get("body") or ""
    return title, body, dict(message.get("data") or {})


def apns_text(payload: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Return title, body and data (all keys beside aps) of an APNs payload."""
    aps = payload.get("aps")
    alert = aps.get("alert") if isinstance(aps, Mapping) else None
    data = {key: value for key, value in payload.items() if key != "aps"}
    if isinstance(alert, Mapping):
        return str(alert.get("title") or ""), str(alert.get("body") or ""), data
    return "", str(alert or ""), data


def text_of(push: Push) -> tuple[str, str, dict[str, Any]]:
    """Return title, body and data of a message."""
    return (fcm_text if push.platform == "fcm" else apns_text)(push.message())


def part_of(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object in a message by its name; empty where there is none."""
    part = message.get(name)
    return part if isinstance(part, Mapping) else {}


_SILENT = frozenset({"passive", "PRIORITY_MIN", "PRIORITY_LOW"})
"""Apple, "interruption-level": no light and no sound; Google, "AndroidNotification.notification_priority": no sound."""


def rings(push: Push) -> bool:
    """Whether a phone makes a sound of a message."""
    if push.platform == "apns":
        shown = part_of(push.message(), "aps")
        return bool(shown.get("sound")) and shown.get("interruption-level") not in _SILENT
    shown = part_of(part_of(push.message(), "android"), "notification")
    return bool(shown.get("sound") or shown.get("default_sound")) and shown.get("notification_priority") not in _SILENT


@dataclass(slots=True)
class Shown:
    """One notification on one phone's screen: the same tag replaces what is there."""

    first: Push
    last: Push
    sends: int = 1

    def to_json(self) -> dict[str, Any]:
        """Return what is on the screen now, and how often it was sent."""
        last = self.last.to_json()
        times = {"first_at": _iso(self.first.at), "last_at": last["at"], "sends": self.sends}
        return {"tag": self.last.tag, "title": last["title"], "body": last["body"], "data": last["data"], **times}


@dataclass(slots=True)
class Phone:
    """One token's phone: its notifications by tag, oldest first. A message without a tag never replaces."""

    platform: str
    token: str = field(repr=False)
    environment: str
    # 1 is the first phone that was sent something.
    number: int = 0
    sends: int = 0
    shown: OrderedDict[str | int, Shown] = field(default_factory=OrderedDict)

    def to_json(self) -> dict[str, Any]:
        """Return the phone as JSON values."""
        return {
            "platform": self.platform,
            "token": self.token,
            "environment": self.environment,
            "sends": self.sends,
            "shown": [shown.to_json() for shown in self.shown.values()],
        }


class PushRecord:
    """Keeps the last `keep` messages and the last `keep` notifications shown; older ones are forgotten."""

    def __init__(self, *, keep: int = 100_000, on_push: Callable[[Push], None] | None = None) -> None:
        self._keep = keep
        self._on_push = on_push
        self.reset()

    def reset(self) -> None:
        """Forget everything and count from zero."""
        self._pushes: deque[Push] = deque(maxlen=self._keep)
        self._phones: OrderedDict[tuple[str, str], Phone] = OrderedDict()
        self._phones_seen = 0
        self._shown = 0
        self.sends = 0
        self.forgotten = 0  # notifications that no longer count as shown
        self.outcomes: dict[str, Counter[str]] = {"fcm": Counter(), "apns": Counter()}
        self.started_at = time.time()

    def accept(
        self,
        *,
        platform: str,
        token: str,
        tag: str | None,
        content: bytes,
        headers: Mapping[str, str],
        environment: str = "production",
    ) -> Push:
        """Record an accepted message and show it on its phone."""
        self.sends += 1
        push = Push(
            number=self.sends,
            at=time.time(),
            platform=platform,
            environment=environment,
            token=token,
            tag=tag,
            headers=headers,
            content=content,
        )
        self._pushes.append(push)
        self._show(push)
        self.outcomes[platform]["accepted"] += 1
        if self._on_push is not None:
            self._on_push(push)
        return push

    def refused(self, platform: str, code: str) -> None:
        """Count an answer that was not an acceptance."""
        self.outcomes[platform][code] += 1

    def _show(self, push: Push) -> None:
        key = (push.platform, push.token)
        phone = self._phones.get(key)
        if phone is None:
            self._phones_seen += 1
            phone = Phone(push.platform, push.token, push.environment, self._phones_seen)
            self._phones[key] = phone
        phone.sends += 1
        name: str | int = push.number if push.tag is None else push.tag
        shown = phone.shown.get(name)
        if shown is not None:
            shown.last, shown.sends = push, shown.sends + 1
            return
        phone.shown[name] = Shown(push, push)
        self._shown += 1
        if self._shown > self._keep:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        key, phone = next(iter(self._phones.items()))
        phone.shown.popitem(last=False)
        self._shown -= 1
        self.forgotten += 1
        if not phone.shown:
            del self._phones[key]

    def received(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the kept messages whose number is above `since`, oldest first."""
        return [push.to_json() for push in self._pushes if push.number > since]

    def phones(self) -> list[dict[str, Any]]:
        """Return the phones that were sent something, oldest first."""
        return [phone.to_json() for phone in self._phones.values()]

    def phone(self, key: tuple[str, str]) -> Phone | None:
        """Return the phone of a platform and token, if it was sent something."""
        return self._phones.get(key)

    def newest_phones(self) -> Iterator[Phone]:
        """Return the phones that were sent something, those that came last first."""
        return reversed(self._phones.values())

    def messages(self) -> list[tuple[str, str, str, bool, bool, str]]:
        """Return the kept messages in short, oldest first.

        Token, tag (a message without one has its number), title, whether it rings, whether it says that it replaces
        what is shown, and the ids of the posts that it is of, if it is a digest.
        """
        rows = []
        for push in self._pushes:
            title, _, data = text_of(push)
            replaces = data.get("replaces") == "true"
            tag = str(push.number) if push.tag is None else push.tag
            rows.append((push.token, tag, title, rings(push), replaces, str(data.get("post_ids", ""))))
        return rows

    def stats(self) -> dict[str, Any]:
        """Return the counters; `replaced` counts the sends that replaced what a phone already showed."""
        seen = self._shown + self.forgotten
        return {
            "fcm": dict(self.outcomes["fcm"]),
            "apns": dict(self.outcomes["apns"]),
            "sends": self.sends,
            "phones": len(self._phones),
            "shown": seen,
            "replaced": self.sends - seen,
            "forgotten": self.forgotten,
            "started_at": _iso(self.started_at),
        }
