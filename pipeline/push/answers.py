"""From a vendor's answer to an outcome: one table per vendor, read from the error body. Pure, and never raises.

Sources, which are the authority: FCM, firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode and
firebase.google.com/docs/cloud-messaging/scale-fcm; APNs, developer.apple.com "Handling notification responses
from APNs".
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.basics.retry_after import retry_after_s
from pipeline.basics.text import printable
from pipeline.push.outcome import MAX_BACKOFF_S, MAX_DETAIL, Outcome, OutcomeKind

QUOTA_BACKOFF_S = 60.0
"""FCM, "Best practices when sending FCM messages at scale": after a 429 without Retry-After wait at least a minute."""
SERVER_BACKOFF_S = 1.0
"""The same page: after a 500 or 503 begin with a second, doubling."""
HUMAN_BACKOFF_S = 600.0
"""A fault that somebody must mend in a vendor's console is not gone in a second."""


@dataclass(frozen=True)
class Line:
    """One line of a vendor's table."""

    kind: OutcomeKind
    backoff_s: float = SERVER_BACKOFF_S
    status: int | None = None
    """The line holds with this HTTP status only. Every line that can cost a device its token names one."""


_DEAD, _DOWN = OutcomeKind.TOKEN_DEAD, OutcomeKind.CHANNEL_DOWN
_REJECTED, _RETRY = OutcomeKind.REJECTED, OutcomeKind.RETRY

FCM_TABLE: Mapping[str, Line] = {
    # 404: the app was removed, or the token expired (270 days unseen). ErrorCode: UNREGISTERED.
    "UNREGISTERED": Line(_DEAD, status=404),
    # 403: the token belongs to another Firebase project. ErrorCode: SENDER_ID_MISMATCH.
    "SENDER_ID_MISMATCH": Line(_DEAD, status=403),
    # 400: payload, key or ttl at fault; the token only when the body says so (see _blames_token).
    "INVALID_ARGUMENT": Line(_REJECTED),
    # 429: the quota of the project, the device or the topic is used up.
    "QUOTA_EXCEEDED": Line(_RETRY, QUOTA_BACKOFF_S),
    "RESOURCE_EXHAUSTED": Line(_RETRY, QUOTA_BACKOFF_S),  # the same, as the gRPC status
    # 503 and 500: the server is overloaded or failed; the message may have gone out all the same.
    "UNAVAILABLE": Line(_RETRY, SERVER_BACKOFF_S),
    "INTERNAL": Line(_RETRY, SERVER_BACKOFF_S),
    # 401: the APNs key or web push key stored in the Firebase console is wrong: iPhones and browsers, not Android.
    "THIRD_PARTY_AUTH_ERROR": Line(_RETRY, HUMAN_BACKOFF_S),
    # 401, 403, 404 of google.rpc.Code: access token, permission, project id. Ours, if others hear it too; the last two
    # have been seen for one token alone (pipeline.delivery.channel_faults).
    "UNAUTHENTICATED": Line(_DOWN),
    "PERMISSION_DENIED": Line(_DOWN),
    "NOT_FOUND": Line(_DOWN),
}

APNS_TABLE: Mapping[str, Line] = {
    # 410: the app was removed, or the device got a new token.
    "Unregistered": Line(_DEAD, status=410),
    "ExpiredToken": Line(_DEAD, status=410),
    # 400: a bad token, or one of the other environment.
    "BadDeviceToken": Line(OutcomeKind.WRONG_ENVIRONMENT, status=400),
    # 400: topic and token do not go together: our configuration, or one phone's other app.
    "DeviceTokenNotForTopic": Line(_DOWN),
    "TopicDisallowed": Line(_DOWN),
    "BadTopic": Line(_DOWN),
    "MissingTopic": Line(_DOWN),
    # 403: key, key id or team id, or a clock that is wrong. An ExpiredProviderToken gets here after signing again.
    "ExpiredProviderToken": Line(_DOWN),
    "InvalidProviderToken": Line(_DOWN),
    "MissingProviderToken": Line(_DOWN),
    "UnrelatedKeyIdInToken": Line(_DOWN),
    "BadEnvironmentKeyIdInToken": Line(_DOWN),
    "BadCertificate": Line(_DOWN),
    "BadCertificateEnvironment": Line(_DOWN),
    "Forbidden": Line(_DOWN),
    # 400, 404, 405, 413: the request is at fault, and would be again.
    "BadCollapseId": Line(_REJECTED),
    "BadExpirationDate": Line(_REJECTED),
    "BadMessageId": Line(_REJECTED),
    "BadPriority": Line(_REJECTED),
    "DuplicateHeaders": Line(_REJECTED),
    "InvalidPushType": Line(_REJECTED),
    "MissingDeviceToken": Line(_REJECTED),
    "PayloadEmpty": Line(_REJECTED),
    "PayloadTooLarge": Line(_REJECTED),
    "BadPath": Line(_REJECTED),
    "MethodNotAllowed": Line(_REJECTED),
    # 400: the connection was idle for too long; the message was not handled.
    "IdleTimeout": Line(_RETRY),
    # 429: too many for this one device; or our provider token was renewed too often (every 20 minutes at most).
    "TooManyRequests": Line(_RETRY, QUOTA_BACKOFF_S),
    "TooManyProviderTokenUpdates": Line(_RETRY, QUOTA_BACKOFF_S),
    # 500, 503: Apple's side.
    "InternalServerError": Line(_RETRY),
    "ServiceUnavailable": Line(_RETRY),
    "Shutdown": Line(_RETRY),
}

DEVICE_RATE_CODES = frozenset({"TooManyRequests"})
"""Answers that ask for a pause for this one device only."""

_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
# What FCM answers is about the message when it is read as JSON; a page of HTML with such a status is a proxy or a
# wrong end point: the delivery is tried again, and many of them are a fault of ours (pipeline.delivery.channel_faults).
_FCM_UNREADABLE_RETRY = frozenset({401, 403, 404})


def classify_fcm(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Outcome:
    """Turn FCM's answer to `messages:send` into an outcome. `now` is needed for a Retry-After that is a date."""
    data = _json_object(body)
    if status == 200:
        name = data.get("name")
        if isinstance(name, str) and name:
            return Outcome(kind=OutcomeKind.DELIVERED, provider_id=name, answered=True)
        return Outcome(kind=OutcomeKind.UNKNOWN, code="unreadable", detail=short_text(body), answered=True)
    error = _dict(data.get("error"))
    details = [_dict(item) for item in error["details"]] if isinstance(error.get("details"), list) else []
    code = _fcm_code(error, details)
    detail = short_text(_text(error.get("message")) or body)
    retry_after = _retry_after(headers, now)
    line = FCM_TABLE.get(code)
    if line is None or line.status not in (None, status):
        return _unlisted(code, status, detail, retry_after, retry_also=() if error else _FCM_UNREADABLE_RETRY)
    kind = line.kind
    if code == "INVALID_ARGUMENT" and status == 400 and _blames_token(error, details):
        kind = _DEAD
    if code == "NOT_FOUND" and status != 404:
        kind = _REJECTED
    return Outcome(
        kind=kind,
        code=code,
        detail=detail,
        retry_after_s=retry_after if kind is _RETRY else None,
        backoff_s=line.backoff_s,
        answered=True,
    )


def classify_apns(
    status: int, headers: Mapping[str, str], body: bytes, now: datetime, environment: str | None = None
) -> Outcome:
    """Turn APNs' answer into an outcome; `environment` says which of the two servers gave it."""
    apns_id = _header(headers, "apns-id") or None
    if status == 200:
        if body and not apns_id:
            # APNs names the message and says nothing more; what brings a page instead is somebody in between.
            return Outcome(
                kind=OutcomeKind.UNKNOWN,
                code="unreadable",
                detail=short_text(body),
                environment=environment,
                answered=True,
            )
        return Outcome(kind=OutcomeKind.DELIVERED, provider_id=apns_id, environment=environment, answered=True)
    data = _json_object(body)
    code = _text(data.get("reason"))[:64]
    retry_after = _retry_after(headers, now)
    line = APNS_TABLE.get(code)
    if line is None or line.status not in (None, status):
        return _unlisted(code, status, short_text(body), retry_after, environment=environment)
    return Outcome(
        kind=line.kind,
        code=code,
        detail=short_text(body),
        provider_id=apns_id,
        retry_after_s=retry_after if line.kind is _RETRY else None,
        backoff_s=line.backoff_s,
        environment=environment,
        dead_since=_milliseconds(data.get("timestamp")) if line.kind is _DEAD else None,
        answered=True,
    )


def _unlisted(
    code: str,
    status: int,
    detail: str,
    retry_after: float | None,
    *,
    environment: str | None = None,
    retry_also: frozenset[int] | tuple[int, ...] = (),
) -> Outcome:
    """An answer that no line knows: the status alone decides between failed and later, and no token is touched."""
    rejected = 400 <= status < 500 and status not in {408, 425, 429} and status not in retry_also
    return Outcome(
        kind=_REJECTED if rejected else _RETRY,
        code=printable(code).strip() or f"http_{status}",
        detail=detail,
        retry_after_s=None if rejected else retry_after,
        backoff_s=QUOTA_BACKOFF_S if status in {429, *retry_also} else SERVER_BACKOFF_S,
        environment=environment,
        answered=True,
    )


def _fcm_code(error: Mapping[str, Any], details: list[dict[str, Any]]) -> str:
    """FCM's own errorCode where it is given, else the gRPC status."""
    for item in details:
        if item.get("@type") == _FCM_ERROR and _text(item.get("errorCode")):
            return _text(item["errorCode"])[:64]
    return _text(error.get("status"))[:64]


def _blames_token(error: Mapping[str, Any], details: list[dict[str, Any]]) -> bool:
    """Whether an INVALID_ARGUMENT names the token: by field (bloomberg/pushiko reads it so), or in Google's words."""
    for item in details:
        violations = item.get("fieldViolations")
        if isinstance(violations, list):
            fields = [_dict(violation).get("field") for violation in violations]
            if fields:
                return fields == ["message.token"]
    return "not a valid FCM registration token" in _text(error.get("message"))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        # Decoded here: json would look first which encoding it is.
        return _dict(json.loads(body.decode().removeprefix("\ufeff")))
    except (ValueError, RecursionError):
        return {}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


# Registration tokens, device tokens and bearer tokens are long runs of these characters; words are not.
_LONG_RUN = re.compile(r"[A-Za-z0-9_:.\-]{48,}")


def short_text(text: bytes | str) -> str:
    """The beginning of an answer as one printable line, without anything that may be a token."""
    if isinstance(text, bytes):
        text = text[: 8 * MAX_DETAIL].decode("utf-8", "replace")
    return _LONG_RUN.sub("[hidden]", " ".join(printable(text).split()))[:MAX_DETAIL]


def _header(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    return value if value is not None else headers.get(name.title())


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """What the answer's Retry-After asks for in seconds, at most an hour; None when it has none."""
    seconds = retry_after_s(_header(headers, "retry-after") or "", now=now)
    return None if seconds is None else min(seconds, MAX_BACKOFF_S)


def _milliseconds(value: object) -> datetime | None:
    """APNs' timestamp (milliseconds since the epoch), or None when it is missing or absurd."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
