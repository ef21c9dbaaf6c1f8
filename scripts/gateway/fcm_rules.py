"""What FCM refuses in a request body. Pure: bytes in, a message or an error out.

Rules: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages and
https://firebase.google.com/docs/cloud-messaging/concept-options (4,096 bytes, reserved keys, ttl).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.errors import CommandError
from scripts.gateway.answers import Answer, fcm_error
from scripts.gateway.faults import fcm_token_error

PAYLOAD_BYTES = 4096
# Four weeks, in seconds: the longest ttl that FCM takes.
LONGEST_TTL_S = 2_419_200

_TTL = re.compile(r"(\d{1,12})(\.\d{1,9})?s", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9_:\-]{1,4096}", re.ASCII)
_TARGETS = ("token", "topic", "condition")
# The fields of each object below the request; proto3 JSON also takes them in camelCase.
_FIELDS: dict[str, frozenset[str]] = {
    "": frozenset(("message", "validate_only")),
    "message": frozenset(
        (
            *("token", "topic", "condition", "name", "notification", "data"),
            *("android", "apns", "webpush", "fcm_options"),
        )
    ),
    "message.notification": frozenset(("title", "body", "image")),
    "message.android": frozenset(
        (
            *("notification", "data", "collapse_key", "priority", "ttl", "restricted_package_name", "fcm_options"),
            *("direct_boot_ok", "bandwidth_constrained_ok", "restricted_satellite_ok"),
        )
    ),
    "message.android.notification": frozenset(
        (
            *("title", "body", "image", "tag", "channel_id", "icon", "color", "sound", "click_action", "ticker"),
            *("body_loc_key", "body_loc_args", "title_loc_key", "title_loc_args", "sticky", "event_time"),
            *("local_only", "notification_priority", "notification_count", "visibility", "vibrate_timings"),
            *("default_sound", "default_vibrate_timings", "default_light_settings", "light_settings"),
            *("bypass_proxy_notification", "proxy"),
        )
    ),
    "message.apns": frozenset(("headers", "payload", "fcm_options", "live_activity_token")),
}
_PRIORITIES = frozenset(("normal", "high", "NORMAL", "HIGH"))


class _RefusedError(CommandError):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.code)
        self.answer = answer


@dataclass(frozen=True, slots=True, kw_only=True)
class FCMRequest:
    """A request that FCM would take, if the token is alive."""

    # Or topic:NAME, condition:TEXT.
    token: str = field(repr=False)
    # What makes a later message replace this one on the phone.
    tag: str | None
    validate_only: bool


def check_request(content: bytes) -> FCMRequest | Answer:
    """Return the request in `content`, or the error that FCM gives for it."""
    try:
        return _read(content)
    except _RefusedError as refused:
        return refused.answer


def _refuse(message: str, *, field: str = "") -> _RefusedError:
    violations = ((field, message),) if field else ()
    return _RefusedError(fcm_error("INVALID_ARGUMENT", message, violations=violations))


def _read(content: bytes) -> FCMRequest:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _refuse("Invalid JSON payload received. Unexpected token.") from error
    request = _object(parsed, "")
    message = _object(request.get("message", {}), "message")
    token = _target(message)
    _check_data(message.get("data", {}), "message.data")
    notification = _object(message.get("notification", {}), "message.notification")
    android = _object(message.get("android", {}), "message.android")
    apns = _object(message.get("apns", {}), "message.apns")
    _check_android(android)
    if len(content) > PAYLOAD_BYTES:  # A body within the limit cannot hold a payload above it.
        _check_sizes(message, notification, android, apns)
    validate_only = request.get("validate_only", request.get("validateOnly", False))
    if not isinstance(validate_only, bool):
        raise _refuse("Invalid value at 'validate_only' (TYPE_BOOL)", field="validate_only")
    return FCMRequest(token=token, tag=_tag(android, apns), validate_only=validate_only)


def _snake(name: str) -> str:
    return name if name.islower() else re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), name)


def _object(value: Any, path: str) -> Mapping[str, Any]:
    """Return `value` when it is an object with known fields only."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _refuse(f"Invalid value at '{path or 'request'}'", field=path)
    known = _FIELDS[path]
    if not known.issuperset(value):
        for name in value:
            if name not in known and _snake(name) not in known:
                at = f" at '{path}'" if path else ""
                sentence = f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
                raise _refuse(sentence, field=path)
    return value


def _target(message: Mapping[str, Any]) -> str:
    given = [name for name in _TARGETS if message.get(name) not in (None, "")]
    if not given:
        raise _refuse("Recipient of the message is not set.")
    if len(given) > 1:
        raise _refuse("Invalid value at 'message': oneof field 'target' is already set.", field="message")
    target = message[given[0]]
    if not isinstance(target, str):
        raise _refuse(f"Invalid value at 'message.{given[0]}' (TYPE_STRING)", field=f"message.{given[0]}")
    if given[0] != "token":
        return f"{given[0]}:{target}"
    if not _TOKEN.fullmatch(target):
        raise _RefusedError(fcm_token_error("INVALID_ARGUMENT"))
    return target


def _check_data(data: Any, path: str) -> None:
    if data is None:
        return
    if not isinstance(data, dict):
        raise _refuse(f"Invalid value at '{path}'", field=path)
    for index, (key, value) in enumerate(data.items()):
        if not isinstance(value, str):
            raise _refuse(f"Invalid value at '{path}[{index}].value' (TYPE_STRING)", field=f"{path}[{index}].value")
        if key in ("from", "message_type") or key.startswith(("google", "gcm")):
            raise _refuse(f"Invalid data payload key: {key}", field=f"{path}[{index}].key")


def _check_android(android: Mapping[str, Any]) -> None:
    if not android:
        return
    if android.get("priority", "high") not in _PRIORITIES:
        raise _refuse("Invalid value at 'message.android.priority'", field="message.android.priority")
    if "ttl" in android:
        ttl = _TTL.fullmatch(android["ttl"]) if isinstance(android["ttl"], str) else None
        if ttl is None:
            raise _refuse(
                "Invalid value at 'message.android.ttl' (type.googleapis.com/google.protobuf.Duration)",
                field="message.android.ttl",
            )
        if float(android["ttl"][:-1]) > LONGEST_TTL_S:
            raise _refuse("Invalid ttl: it must be between 0 and 4 weeks.", field="message.android.ttl")
    _check_data(android.get("data", {}), "message.android.data")
    notification = _object(android.get("notification", {}), "message.android.notification")
    tag = notification.get("tag")
    if tag is not None and not isinstance(tag, str):
        raise _refuse(
            "Invalid value at 'message.android.notification.tag' (TYPE_STRING)",
            field="message.android.notification.tag",
        )


def _bytes(*values: Any) -> int:
    return sum(
        len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
        for value in values
        if value
    )


def _check_sizes(
    message: Mapping[str, Any], notification: Mapping[str, Any], android: Mapping[str, Any], apns: Mapping[str, Any]
) -> None:
    """Measure what travels to a phone: encoded UTF-8, without the target and the other platform's block."""
    android_bytes = _bytes(message.get("data"), notification, android.get("data"), android.get("notification"))
    if android_bytes > PAYLOAD_BYTES:
        raise _refuse("Android message is too big", field="message")
    if _bytes(apns.get("payload")) > PAYLOAD_BYTES:
        raise _refuse("APNs payload is too big", field="message.apns.payload")


def _tag(android: Mapping[str, Any], apns: Mapping[str, Any]) -> str | None:
    tag = (android.get("notification") or {}).get("tag")
    if tag:
        return str(tag)
    headers = apns.get("headers")
    collapse_id = headers.get("apns-collapse-id") if isinstance(headers, dict) else None
    return str(collapse_id) if collapse_id else None
