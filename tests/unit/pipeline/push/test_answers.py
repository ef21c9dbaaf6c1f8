import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pipeline.push.answers import APNS_TABLE, FCM_TABLE, MAX_DETAIL, classify_apns, classify_fcm, short_text
from pipeline.push.outcome import OutcomeKind

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DELIVERED, DEAD, REJECTED = OutcomeKind.DELIVERED, OutcomeKind.TOKEN_DEAD, OutcomeKind.REJECTED
RETRY, UNKNOWN, DOWN = OutcomeKind.RETRY, OutcomeKind.UNKNOWN, OutcomeKind.CHANNEL_DOWN
WRONG_ENVIRONMENT = OutcomeKind.WRONG_ENVIRONMENT

TOKEN = "dGVzdA:APA91b" + "x" * 130


def fcm_error(status_code, grpc, error_code=None, message="a sentence", fields=None):
    """An error in FCM's real shape."""
    details = []
    if error_code:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": error_code})
    if fields:
        violations = [{"field": field, "description": "Invalid value"} for field in fields]
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations})
    error = {"code": status_code, "message": message, "status": grpc}
    if details:
        error["details"] = details
    return json.dumps({"error": error}).encode()


FCM_CASES = [
    (200, b'{"name": "projects/p/messages/0:1"}', DELIVERED, ""),
    (404, fcm_error(404, "NOT_FOUND", "UNREGISTERED"), DEAD, "UNREGISTERED"),
    # The same status without FCM's own code is a wrong project, not a dead phone.
    (404, fcm_error(404, "NOT_FOUND", message="Requested entity was not found."), DOWN, "NOT_FOUND"),
    (403, fcm_error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), DEAD, "SENDER_ID_MISMATCH"),
    (403, fcm_error(403, "PERMISSION_DENIED"), DOWN, "PERMISSION_DENIED"),
    (401, fcm_error(401, "UNAUTHENTICATED"), DOWN, "UNAUTHENTICATED"),
    (401, fcm_error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), RETRY, "THIRD_PARTY_AUTH_ERROR"),
    (400, fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", fields=["message.token"]), DEAD, "INVALID_ARGUMENT"),
    (
        400,
        fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", fields=["message.data"]),
        REJECTED,
        "INVALID_ARGUMENT",
    ),
    (
        400,
        fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", fields=["message.token", "message.android.ttl"]),
        REJECTED,
        "INVALID_ARGUMENT",
    ),
    (
        400,
        fcm_error(
            400,
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            message="The registration token is not a valid FCM registration token",
        ),
        DEAD,
        "INVALID_ARGUMENT",
    ),
    (400, fcm_error(400, "INVALID_ARGUMENT", message="Message is too big"), REJECTED, "INVALID_ARGUMENT"),
    (429, fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), RETRY, "QUOTA_EXCEEDED"),
    (429, fcm_error(429, "RESOURCE_EXHAUSTED"), RETRY, "RESOURCE_EXHAUSTED"),
    (503, fcm_error(503, "UNAVAILABLE", "UNAVAILABLE"), RETRY, "UNAVAILABLE"),
    (500, fcm_error(500, "INTERNAL", "INTERNAL"), RETRY, "INTERNAL"),
]


@pytest.mark.parametrize(("status", "body", "kind", "code"), FCM_CASES)
def test_fcm_answers_in_their_real_shape(status, body, kind, code):
    outcome = classify_fcm(status, {}, body, NOW)
    assert (outcome.kind, outcome.code, outcome.answered) == (kind, code, True)


APNS_CASES = [
    (410, "Unregistered", DEAD),
    (410, "ExpiredToken", DEAD),
    (400, "BadDeviceToken", WRONG_ENVIRONMENT),
    (400, "DeviceTokenNotForTopic", DOWN),
    (400, "TopicDisallowed", DOWN),
    (400, "BadTopic", DOWN),
    (400, "MissingTopic", DOWN),
    (403, "ExpiredProviderToken", DOWN),
    (403, "InvalidProviderToken", DOWN),
    (403, "MissingProviderToken", DOWN),
    (403, "UnrelatedKeyIdInToken", DOWN),
    (403, "BadEnvironmentKeyIdInToken", DOWN),
    (403, "BadCertificate", DOWN),
    (403, "BadCertificateEnvironment", DOWN),
    (403, "Forbidden", DOWN),
    (400, "BadCollapseId", REJECTED),
    (400, "BadExpirationDate", REJECTED),
    (400, "BadMessageId", REJECTED),
    (400, "BadPriority", REJECTED),
    (400, "DuplicateHeaders", REJECTED),
    (400, "InvalidPushType", REJECTED),
    (400, "MissingDeviceToken", REJECTED),
    (400, "PayloadEmpty", REJECTED),
    (413, "PayloadTooLarge", REJECTED),
    (404, "BadPath", REJECTED),
    (405, "MethodNotAllowed", REJECTED),
    (400, "IdleTimeout", RETRY),
    (429, "TooManyRequests", RETRY),
    (429, "TooManyProviderTokenUpdates", RETRY),
    (500, "InternalServerError", RETRY),
    (503, "ServiceUnavailable", RETRY),
    (503, "Shutdown", RETRY),
]


@pytest.mark.parametrize(("status", "reason", "kind"), APNS_CASES)
def test_apns_answers_in_their_real_shape(status, reason, kind):
    body = json.dumps({"reason": reason, "timestamp": 1_772_000_000_123} if status == 410 else {"reason": reason})
    outcome = classify_apns(status, {"apns-id": "an-id"}, body.encode(), NOW, environment="sandbox")
    assert (outcome.kind, outcome.code) == (kind, reason)
    assert (outcome.provider_id, outcome.environment, outcome.answered) == ("an-id", "sandbox", True)


def test_every_line_of_both_tables_is_tested_above():
    assert {code for _, _, _, code in FCM_CASES} - {""} == set(FCM_TABLE)
    assert {reason for _, reason, _ in APNS_CASES} == set(APNS_TABLE)


def test_a_delivery_keeps_the_vendors_id():
    assert classify_fcm(200, {}, b'{"name": "projects/p/messages/0:17"}', NOW).provider_id == "projects/p/messages/0:17"
    assert classify_apns(200, {"apns-id": "E1F2"}, b"", NOW).provider_id == "E1F2"


def test_a_dead_apns_token_says_since_when():
    outcome = classify_apns(410, {}, b'{"reason": "Unregistered", "timestamp": 1772000000123}', NOW)
    assert outcome.dead_since == datetime.fromtimestamp(1772000000.123, UTC)


def test_a_page_instead_of_an_answer_of_apns_is_no_delivery() -> None:
    outcome = classify_apns(200, {}, b"<!DOCTYPE html><p>Welcome to our network", NOW)
    assert (outcome.kind, outcome.code) == (UNKNOWN, "unreadable")


@pytest.mark.parametrize("timestamp", [None, "soon", "1772000000123", True, -1e30, 1e30, [], {}, float("nan")])
def test_an_absurd_timestamp_is_no_timestamp(timestamp):
    body = json.dumps({"reason": "Unregistered", "timestamp": timestamp}).encode()
    outcome = classify_apns(410, {}, body, NOW)
    assert (outcome.kind, outcome.dead_since) == (DEAD, None)


UNSEEN = [
    b"",
    b"<!doctype html><title>502 Bad Gateway</title>",
    b'{"error": {"code": 404, "status": "NOT_FOUND", "details": [{"@type": "type.goo',
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe\x00garbage",
    b'{"error": null}',
    b'{"error": "not an object"}',
    b'{"error": {"code": "x", "status": 7, "message": [], "details": {"a": 1}}}',
    b'{"error": {"status": "BRAND_NEW", "details": [null, 1, {"@type": 3, "fieldViolations": [1, null]}]}}',
    b'{"reason": 5}',
    b'{"reason": null, "timestamp": "x"}',
    b'{"reason": "BrandNewReason"}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
]


@pytest.mark.parametrize("body", UNSEEN, ids=range(len(UNSEEN)))
@pytest.mark.parametrize(
    "status", [200, 204, 301, 400, 401, 403, 404, 405, 408, 410, 413, 418, 429, 500, 502, 503, 599]
)
def test_an_answer_nobody_has_seen_never_costs_a_device(status, body):
    fcm = classify_fcm(status, {}, body, NOW)
    apns = classify_apns(status, {}, body, NOW)

    for outcome in (fcm, apns):
        assert outcome.kind not in {DEAD, WRONG_ENVIRONMENT, DOWN}
    if status == 200:
        assert fcm.kind is UNKNOWN
        # APNs says with an empty body that it took the message.
        assert apns.kind is (UNKNOWN if body else DELIVERED)
        return
    assert apns.kind is (REJECTED if 400 <= status < 500 and status not in {408, 429} else RETRY)
    if status in {400, 405, 410, 413, 418}:
        assert fcm.kind is REJECTED
    elif status in {301, 408, 429, 500, 502, 503, 599}:
        assert fcm.kind is RETRY


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_page_of_html_in_place_of_fcm_is_tried_again_and_keeps_its_text(status):
    outcome = classify_fcm(status, {}, b"<html><h1>Blocked by the company proxy</h1></html>", NOW)
    assert (outcome.kind, outcome.code) == (RETRY, f"http_{status}")
    assert "Blocked by the company proxy" in outcome.detail


def test_a_new_reason_is_kept():
    outcome = classify_apns(400, {}, b'{"reason": "TokenIsOnHoliday"}', NOW)
    assert (outcome.kind, outcome.code) == (REJECTED, "TokenIsOnHoliday")
    assert "TokenIsOnHoliday" in outcome.detail


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, fcm_error(500, "INTERNAL", "UNREGISTERED")),
        (200, fcm_error(404, "NOT_FOUND", "UNREGISTERED")),
        (403, fcm_error(404, "NOT_FOUND", "UNREGISTERED")),
        (500, fcm_error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH")),
        (404, b'{"error": {"code": 404, "status": "UNREGISTERED"}}'.replace(b"UNREGISTERED", b"NOT_FOUND")),
        # The name of the code in a sentence, or in somebody else's detail, is not FCM's code.
        (404, fcm_error(404, "NOT_FOUND", message="UNREGISTERED")),
        (404, b'{"error": {"status": "NOT_FOUND", "details": [{"@type": "x", "errorCode": "UNREGISTERED"}]}}'),
    ],
)
def test_a_dead_fcm_token_needs_status_and_code_to_agree(status, body):
    assert classify_fcm(status, {}, body, NOW).kind is not DEAD


@pytest.mark.parametrize(("status", "reason"), [(400, "Unregistered"), (500, "ExpiredToken"), (410, "BadDeviceToken")])
def test_a_dead_apns_token_needs_status_and_reason_to_agree(status, reason):
    outcome = classify_apns(status, {}, json.dumps({"reason": reason}).encode(), NOW)
    assert outcome.kind in {REJECTED, RETRY}
    assert outcome.code == reason


def http_date(seconds):
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", 1.0),
        ("120", 120.0),
        ("2.5", 2.5),
        ("0", 0.0),
        ("7200", 3600.0),
        ("99999999999999999999", 3600.0),
        (http_date(90), 90.0),
        (http_date(-90), 0.0),
        (http_date(86_400), 3600.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("Sun, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
@pytest.mark.parametrize("name", ["retry-after", "Retry-After"])
def test_retry_after_in_seconds_and_as_a_date(name, value, expected):
    fcm = classify_fcm(429, {name: value}, fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), NOW)
    apns = classify_apns(503, {name: value}, b'{"reason": "ServiceUnavailable"}', NOW)
    assert fcm.retry_after_s == expected
    assert apns.retry_after_s == expected


def test_without_retry_after_a_quota_waits_a_minute_and_a_server_error_a_second():
    quota = classify_fcm(429, {}, fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), NOW)
    unavailable = classify_fcm(503, {}, fcm_error(503, "UNAVAILABLE", "UNAVAILABLE"), NOW)
    assert (quota.backoff_s, unavailable.backoff_s) == (60.0, 1.0)


def test_the_text_that_is_kept_is_short_printable_and_without_tokens():
    text = short_text(f"token {TOKEN} \x00\x1b[31m\n is bad " + "word " * 200)
    assert TOKEN not in text
    assert "[hidden]" in text
    assert len(text) <= MAX_DETAIL
    assert text.isprintable()
