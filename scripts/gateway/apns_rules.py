"""What APNs refuses in a request. Pure: headers and bytes in, a push or an error out.

Rules: https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns.
"""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from scripts.gateway.answers import Answer, apns_error
from scripts.gateway.credentials import APNS_TOPIC

PAYLOAD_BYTES = 4096
VOIP_PAYLOAD_BYTES = 5120
COLLAPSE_ID_BYTES = 64
PREFIX = "/3/device/"

_TOKEN = re.compile(r"[0-9a-fA-F]{64,200}", re.ASCII)
_TOPIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,254}", re.ASCII)
_PUSH_TYPES = frozenset(
    (
        *("alert", "background", "complication", "controls", "fileprovider", "liveactivity"),
        *("location", "mdm", "pushtotalk", "voip", "widgets"),
    )
)
_PRIORITIES = frozenset(("1", "5", "10"))


@dataclass(frozen=True, slots=True, kw_only=True)
class APNsRequest:
    """A request that APNs would take, if the token is alive and of this environment."""

    token: str = field(repr=False)
    collapse_id: str | None
    # As given, otherwise a new one.
    apns_id: str


def check_target(headers: Mapping[str, str]) -> Answer | None:
    """Judge method and path, which come before the credentials; None when they are right."""
    path = headers.get(":path", "")
    if not path.startswith(PREFIX):
        return apns_error("BadPath")
    if headers.get(":method") != "POST":
        return apns_error("MethodNotAllowed")
    token = path[len(PREFIX) :]
    if not token:
        return apns_error("MissingDeviceToken")
    return apns_error("BadPath") if "/" in token else None


def check_request(headers: Mapping[str, str], content: bytes, size: int) -> APNsRequest | Answer:
    """Return the push in a request whose target is right, or the error that APNs gives for it.

    `size` is the length of the whole body, of which `content` may be only the beginning.
    """
    reason = _wrong_header(headers)
    if reason:
        return apns_error(reason)
    token = headers[":path"][len(PREFIX) :]
    if not _TOKEN.fullmatch(token) or len(token) % 2:
        return apns_error("BadDeviceToken")
    voip = headers.get("apns-push-type") == "voip"
    if size > (VOIP_PAYLOAD_BYTES if voip else PAYLOAD_BYTES):
        return apns_error("PayloadTooLarge")
    # Apple documents no reason for a body that is not a JSON object; for a phone it is an empty one.
    if not _is_object(content):
        return apns_error("PayloadEmpty")
    return APNsRequest(
        token=token.lower(),
        collapse_id=headers.get("apns-collapse-id"),
        apns_id=headers.get("apns-id") or str(uuid.uuid4()).upper(),
    )


def _wrong_header(headers: Mapping[str, str]) -> str:
    """Return the reason for the first header that is wrong, an empty text when all are right."""
    topic = headers.get("apns-topic")
    if not topic:
        return "MissingTopic"
    if not _TOPIC.fullmatch(topic):
        return "BadTopic"
    if topic != APNS_TOPIC and not topic.startswith(APNS_TOPIC + "."):
        return "TopicDisallowed"
    if "apns-id" in headers and not _is_uuid(headers["apns-id"]):
        return "BadMessageId"
    if headers.get("apns-push-type", "alert") not in _PUSH_TYPES:
        return "InvalidPushType"
    if headers.get("apns-priority", "10") not in _PRIORITIES:
        return "BadPriority"
    expiration = headers.get("apns-expiration", "0")
    if not (expiration.isascii() and expiration.isdigit() and len(expiration) < 12):
        return "BadExpirationDate"
    collapse_id = headers.get("apns-collapse-id", "-")
    if not 0 < len(collapse_id.encode("utf-8", "replace")) <= COLLAPSE_ID_BYTES:
        return "BadCollapseId"
    return ""


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _is_object(content: bytes) -> bool:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(parsed, dict) and bool(parsed)
