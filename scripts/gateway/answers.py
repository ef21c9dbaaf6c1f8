"""The answers of FCM and APNs, in the shape in which the vendors give them.

FCM: https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode and https://google.aip.dev/193.
APNs: https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

JSON_TYPE = "application/json; charset=UTF-8"
HTML_TYPE = "text/html; charset=UTF-8"

# Vendor's code: (HTTP status, google.rpc status, sentence, whether the answer carries an FcmError detail).
FCM_CODES: dict[str, tuple[int, str, str, bool]] = {
    "INVALID_ARGUMENT": (400, "INVALID_ARGUMENT", "Request contains an invalid argument.", True),
    "UNREGISTERED": (404, "NOT_FOUND", "Requested entity was not found.", True),
    "SENDER_ID_MISMATCH": (403, "PERMISSION_DENIED", "SenderId mismatch", True),
    "QUOTA_EXCEEDED": (429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric.", True),
    "UNAVAILABLE": (503, "UNAVAILABLE", "The service is currently unavailable.", True),
    "INTERNAL": (500, "INTERNAL", "Internal error encountered.", True),
    "THIRD_PARTY_AUTH_ERROR": (401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service", True),
    "UNAUTHENTICATED": (401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", False),
    "PERMISSION_DENIED": (403, "PERMISSION_DENIED", "The caller does not have permission", False),
    "NOT_FOUND": (404, "NOT_FOUND", "Requested entity was not found.", False),
}

# Apple's table of reasons with the HTTP status of each.
APNS_REASONS: dict[str, int] = {
    "BadCollapseId": 400,
    "BadDeviceToken": 400,
    "BadExpirationDate": 400,
    "BadMessageId": 400,
    "BadPriority": 400,
    "BadTopic": 400,
    "DeviceTokenNotForTopic": 400,
    "DuplicateHeaders": 400,
    "IdleTimeout": 400,
    "InvalidPushType": 400,
    "MissingDeviceToken": 400,
    "MissingTopic": 400,
    "PayloadEmpty": 400,
    "TopicDisallowed": 400,
    "BadCertificate": 403,
    "BadCertificateEnvironment": 403,
    "BadEnvironmentKeyIdInToken": 403,
    "ExpiredProviderToken": 403,
    "Forbidden": 403,
    "InvalidProviderToken": 403,
    "MissingProviderToken": 403,
    "UnrelatedKeyIdInToken": 403,
    "BadPath": 404,
    "MethodNotAllowed": 405,
    "ExpiredToken": 410,
    "Unregistered": 410,
    "PayloadTooLarge": 413,
    "TooManyProviderTokenUpdates": 429,
    "TooManyRequests": 429,
    "InternalServerError": 500,
    "ServiceUnavailable": 503,
    "Shutdown": 503,
}

GARBAGE = ("html", "html_502", "empty", "truncated", "unknown_code", "control_characters")
_PAGE = b"<!DOCTYPE html><html><title>Error</title><p><b>502.</b> <ins>That's an error.</ins></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer of a vendor. `code` is the vendor's code, empty when the message was accepted."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    code: str = ""

    def with_headers(self, *headers: tuple[str, str]) -> "Answer":
        """Return the same answer with these headers added."""
        return replace(self, headers=self.headers + headers)


def fcm_accepted(name: str) -> Answer:
    """Return FCM's answer to a message it took; `name` is projects/*/messages/*."""
    # Written out: with an indent json.dumps encodes in Python, which took a fifth of the gateway's time for a message.
    return Answer(status=200, body=f'{{\n  "name": {json.dumps(name)}\n}}\n'.encode())


def fcm_error(code: str, message: str = "", *, violations: Sequence[tuple[str, str]] = (), reason: str = "") -> Answer:
    """Return FCM's error for `code`, a key of FCM_CODES.

    `violations` are (field, description) pairs of a google.rpc.BadRequest; `reason` is that of a
    google.rpc.ErrorInfo such as ACCESS_TOKEN_EXPIRED.
    """
    status, rpc_status, sentence, has_detail = FCM_CODES[code]
    details: list[object] = []
    if has_detail:
        error_type = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
        details.append({"@type": error_type, "errorCode": code})
    if violations:
        fields = [{"field": field, "description": text} for field, text in violations]
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields})
    if reason:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
        details.append({**info, "domain": "googleapis.com"})
    error: dict[str, object] = {"code": status, "message": message or sentence, "status": rpc_status}
    if details:
        error["details"] = details
    return Answer(status=status, body=json.dumps({"error": error}, indent=2).encode() + b"\n", code=code)


def google_not_found() -> Answer:
    """Return the page that Google's front end gives for a path that does not exist."""
    return google_page(404, code="NO_SUCH_PATH")


def google_page(status: int, *, code: str = "BAD_REQUEST") -> Answer:
    """Return the page that Google's front end gives for a request that reaches no service."""
    return Answer(status=status, body=_PAGE.replace(b"502", b"%d" % status), content_type=HTML_TYPE, code=code)


def apns_error(reason: str, *, timestamp_ms: int | None = None) -> Answer:
    """Return APNs' error for `reason`, a key of APNS_REASONS; 410 carries `timestamp_ms` (epoch, ms)."""
    body: dict[str, object] = {"reason": reason}
    status = APNS_REASONS[reason]
    if status == 410 and timestamp_ms is not None:
        body["timestamp"] = timestamp_ms
    encoded = json.dumps(body, separators=(",", ":")).encode()
    return Answer(status=status, body=encoded, content_type="application/json", code=reason)


def garbage(kind: str, side: str) -> Answer:
    """Return an answer that no vendor documents; `kind` is one of GARBAGE, `side` fcm or apns.

    An empty 200 is APNs' success, so its empty and cut answers come with status 400.
    """
    code = f"garbage:{kind}"
    status = 200 if side == "fcm" else 400
    if kind == "html_502":
        return Answer(status=502, body=_PAGE, content_type=HTML_TYPE, code=code)
    if kind == "html":
        return Answer(status=200, body=_PAGE, content_type=HTML_TYPE, code=code)
    if kind == "empty":
        return Answer(status=status, code=code)
    if kind == "truncated":
        body = b'{"name": "projects/craw' if side == "fcm" else b'{"reason":"BadDev'
        return Answer(status=status, body=body, code=code)
    if kind == "control_characters":
        # With status 503: whoever understands no more than that tries again.
        odd = rb"\u0000\u0007\ud800"
        fcm = b'{"error": {"code": 503, "message": "%s", "status": "UNAVAILABLE%s"}}' % (odd, odd)
        return Answer(status=503, body=fcm if side == "fcm" else b'{"reason":"Service%s"}' % odd, code=code)
    if side == "apns":
        return Answer(status=400, body=b'{"reason":"QuantumDecoherence"}', code=code)
    known = fcm_error("INVALID_ARGUMENT", "A new kind of refusal.").body
    unseen = known.replace(b'"errorCode": "INVALID_ARGUMENT"', b'"errorCode": "QUANTUM_DECOHERENCE"')
    return Answer(status=400, body=unseen, code=code)
