"""The vendors' forms of a message. Pure: a message in, the JSON that goes over the wire out."""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pipeline.push.message import Message

MAX_FCM_TTL_S = 2_419_200
"""FCM, android.ttl: four weeks at most."""

_ANDROID_PRIORITY = {"passive": "PRIORITY_LOW", "time-sensitive": "PRIORITY_MAX"}
"""FCM, AndroidNotification.notification_priority: of phones before Android 8; later the channel's importance counts."""
_RESERVED = frozenset({"from", "message_type", "collapse_key", "notification"})
_NAMESPACE = uuid.UUID("5b5f3c0e-6d0b-5d5e-9a53-7c1c0a6f9d11")


def reserved_data_keys(keys: Iterable[str]) -> list[str]:
    """Return the keys that FCM ("from", "message_type", "google..", "gcm..") or APNs ("aps") keeps for itself."""
    return [key for key in keys if key in _RESERVED or key == "aps" or key.lower().startswith(("google", "gcm"))]


def message_data(message: Message) -> dict[str, str]:
    """Return the message's data with its deep link: strings, without reserved keys (one of them fails a message)."""
    data = {str(key): str(value) for key, value in message.data.items()}
    for key in reserved_data_keys(data):
        del data[key]
    if message.url:
        data.setdefault("url", message.url)
    if message.category:
        data.setdefault("category", message.category)
    return data


def apns_id(message: Message) -> str:
    """Return the apns-id: the same for every attempt of one delivery. For tracing; it does not de-duplicate."""
    return str(uuid.uuid5(_NAMESPACE, message.delivery_id))


def fcm_payload(message: Message, now: datetime | None = None) -> dict[str, Any]:
    """Return FCM v1's `message`: one form for Android and, with its apns block, for iPhones reached through FCM.

    There is no collapse_key: a device keeps four of them at most, so one per post would lose posts
    (FCM, "Non-collapsible and collapsible messages"). The tag replaces a shown notification instead.
    """
    left = (message.expires_at - (now or datetime.now(UTC))).total_seconds()
    notification: dict[str, Any] = {"title": message.title, "body": message.body}
    if message.image:
        notification["image"] = message.image
    shown: dict[str, Any] = {"tag": message.tag}
    if message.channel_id:
        shown["channel_id"] = message.channel_id
    if message.sound:
        shown["sound"] = message.sound
    if message.badge is not None:
        shown["notification_count"] = message.badge
    if message.interruption:
        shown["notification_priority"] = _ANDROID_PRIORITY[message.interruption]
    payload: dict[str, Any] = {
        "token": message.token,
        "notification": notification,
        "android": {
            # Normal: it wakes no phone that sleeps ("Set and manage Android message priority").
            "priority": "normal" if message.interruption == "passive" else "high",
            "ttl": f"{min(max(int(left), 0), MAX_FCM_TTL_S)}s",
            "notification": shown,
        },
        "apns": {
            "headers": _delivery_headers(message),
            "payload": {"aps": _aps(message)},
        },
        "webpush": _webpush(message, max(int(left), 0)),
    }
    if message.image:
        payload["apns"]["fcm_options"] = {"image": message.image}
    data = message_data(message)
    if data:
        payload["data"] = data
    return payload


def _webpush(message: Message, ttl_s: int) -> dict[str, Any]:
    """The same for a browser with an FCM token: its tag replaces a shown one, a tap opens the link (https alone)."""
    block: dict[str, Any] = {
        # RFC 8030: for so many seconds the push service keeps it for a browser that is not there, and how urgent it is.
        "headers": {
            "TTL": str(min(ttl_s, MAX_FCM_TTL_S)),
            "Urgency": "low" if message.interruption == "passive" else "high",
        },
        "notification": {"tag": message.tag},
    }
    if message.url and message.url.startswith("https://"):
        block["fcm_options"] = {"link": message.url}
    return block


def apns_payload(message: Message) -> dict[str, Any]:
    """Return the JSON body for APNs."""
    aps = _aps(message)
    aps["alert"] = {"title": message.title, "body": message.body}
    payload: dict[str, Any] = dict(message_data(message))
    if message.image:
        payload.setdefault("image", message.image)
    payload["aps"] = aps
    return payload


def apns_headers(message: Message, topic: str) -> dict[str, str]:
    """Return the request headers for APNs, without the authorization."""
    return {
        "apns-topic": topic,
        "apns-push-type": "alert",  # needed since iOS 13
        "apns-id": apns_id(message),
        **_delivery_headers(message),
    }


def _delivery_headers(message: Message) -> dict[str, str]:
    return {
        # 5: when it suits the phone's power ("Sending notification requests to APNs").
        "apns-priority": "5" if message.interruption == "passive" else "10",
        # A moment, not a span; 0 would mean "try once", and an offline phone would never get it.
        "apns-expiration": str(max(int(message.expires_at.timestamp()), 1)),
        "apns-collapse-id": message.tag,
    }


def _aps(message: Message) -> dict[str, Any]:
    aps: dict[str, Any] = {}
    if message.badge is not None:
        aps["badge"] = message.badge
    if message.sound:
        aps["sound"] = message.sound
    if message.thread_id:
        aps["thread-id"] = message.thread_id
    if message.interruption:
        aps["interruption-level"] = message.interruption
    if message.category:
        aps["category"] = message.category
    if message.image:
        aps["mutable-content"] = 1  # the app's notification service extension fetches the picture
    return aps
