import json
from typing import Any

import pytest

from scripts.gateway.answers import Answer
from scripts.gateway.fcm_rules import FCMRequest, check_request

TOKEN = "dGVzdA:APA91b-_x"


def body(message: dict[str, Any], **top: Any) -> bytes:
    return json.dumps({"message": message, **top}, ensure_ascii=False).encode()


def request(**fields: Any) -> bytes:
    return body({"token": TOKEN, **fields})


def refusal(content: bytes) -> dict[str, Any]:
    answer = check_request(content)
    assert isinstance(answer, Answer)
    assert answer.status == 400
    assert answer.code == "INVALID_ARGUMENT"
    error: dict[str, Any] = json.loads(answer.body)["error"]
    assert error["code"] == 400
    assert error["status"] == "INVALID_ARGUMENT"
    assert error["details"][0] == {
        "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
        "errorCode": "INVALID_ARGUMENT",
    }
    return error


ACCEPTED: dict[str, tuple[bytes, dict[str, Any]]] = {
    "notification": (request(notification={"title": "장학", "body": "b"}, data={"post_id": "1"}), {}),
    "tag": (request(android={"priority": "high", "notification": {"tag": "post-1"}}), {"tag": "post-1"}),
    "camelCase": (request(android={"collapseKey": "x", "notification": {"channelId": "posts"}}, fcmOptions={}), {}),
    "collapse id of an iPhone behind FCM": (
        request(apns={"headers": {"apns-collapse-id": "post-1"}, "payload": {"aps": {"badge": 1}}}),
        {"tag": "post-1"},
    ),
    "validate_only": (body({"token": TOKEN}, validate_only=True), {"validate_only": True}),
    "topic": (body({"topic": "news"}), {"token": "topic:news"}),
    "longest ttl": (request(android={"ttl": "2419200s"}), {}),
    "a large payload of another platform": (request(webpush={"data": {"x": "y" * 5000}}), {}),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_fcm_takes(name: str) -> None:
    content, expected = ACCEPTED[name]
    assert check_request(content) == FCMRequest(**{"token": TOKEN, "tag": None, "validate_only": False, **expected})


REFUSED: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"token=x", "Invalid JSON payload"),
    "not UTF-8": (b'{"message": "\xff"}', "Invalid JSON payload"),
    "nested without end": (b"[" * 100_000, "Invalid JSON payload"),
    "not an object": (b"[]", "Invalid value"),
    "message is not an object": (b'{"message": "hi"}', "'message'"),
    "unknown field at the top": (body({"token": TOKEN}, priority="high"), 'Unknown name "priority"'),
    "legacy field": (request(to="x"), "Unknown name \"to\" at 'message'"),
    "unknown field in android": (request(android={"tll": "1s"}), 'Unknown name "tll"'),
    "unknown field in android's notification": (request(android={"notification": {"badge": 1}}), "badge"),
    "unknown field in apns": (request(apns={"aps": {}}), 'Unknown name "aps"'),
    "no recipient": (body({"notification": {"title": "x"}}), "Recipient"),
    "empty token": (body({"token": ""}), "Recipient"),
    "two recipients": (request(topic="news"), "already set"),
    "token is a number": (body({"token": 5}), "message.token"),
    "number in data": (request(data={"post_id": 1}), "message.data[0].value"),
    "null in data": (request(data={"a": "b", "post_id": None}), "message.data[1].value"),
    "data is a list": (request(data=["x"]), "message.data"),
    "reserved key from": (request(data={"from": "x"}), "Invalid data payload key: from"),
    "reserved key gcm": (request(data={"gcm": "x"}), "key: gcm"),
    "reserved prefix google": (request(data={"google.x": "x"}), "key: google.x"),
    "number in android's data": (request(android={"data": {"x": 1}}), "message.android.data[0].value"),
    "priority": (request(android={"priority": "urgent"}), "priority"),
    "ttl without unit": (request(android={"ttl": "3600"}), "ttl"),
    "ttl is a number": (request(android={"ttl": 3600}), "ttl"),
    "negative ttl": (request(android={"ttl": "-1s"}), "ttl"),
    "ttl above four weeks": (request(android={"ttl": "2419201s"}), "ttl"),
    "tag is a number": (request(android={"notification": {"tag": 1}}), "tag"),
    "validate_only is a text": (body({"token": TOKEN}, validate_only="yes"), "validate_only"),
    "data above 4,096 bytes": (request(data={"x": "y" * 4096}), "too big"),
    "Korean above 4,096 bytes": (request(notification={"title": "가" * 1400}), "too big"),
    "apns payload above 4,096 bytes": (request(apns={"payload": {"aps": {"alert": "x" * 4096}}}), "too big"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_fcm_refuses(name: str) -> None:
    content, words = REFUSED[name]
    assert words in refusal(content)["message"]


def test_4096_bytes_of_payload_are_not_too_many() -> None:
    around = len('{"x":""}')
    assert isinstance(check_request(request(data={"x": "y" * (4096 - around)})), FCMRequest)
    assert isinstance(check_request(request(data={"x": "y" * (4097 - around)})), Answer)


@pytest.mark.parametrize("token", ["has blank", "한글", "a/b", "x" * 4097])
def test_a_malformed_token_is_to_blame_by_name(token: str) -> None:
    error = refusal(body({"token": token}))
    assert error["message"] == "The registration token is not a valid FCM registration token"
    assert error["details"][1]["fieldViolations"][0]["field"] == "message.token"


def test_the_token_is_not_in_the_repr() -> None:
    assert TOKEN not in repr(check_request(request()))
