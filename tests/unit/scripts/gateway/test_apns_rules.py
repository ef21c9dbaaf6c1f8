import json
import uuid
from typing import Any

import pytest

from scripts.gateway.answers import APNS_REASONS, Answer
from scripts.gateway.apns_rules import APNsRequest, check_request, check_target
from scripts.gateway.credentials import APNS_TOPIC

TOKEN = "0123456789abcdef" * 4
PAYLOAD = json.dumps({"aps": {"alert": {"title": "장학", "body": "b"}}}, ensure_ascii=False).encode()


def headers(**changes: str | None) -> dict[str, str]:
    given: dict[str, str | None] = {":method": "POST", ":path": f"/3/device/{TOKEN}", "apns-topic": APNS_TOPIC}
    given |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in given.items() if value is not None}


def check(given: dict[str, str], content: bytes = PAYLOAD) -> APNsRequest | Answer:
    return check_request(given, content, len(content))


def reason(answer: Any) -> str:
    assert isinstance(answer, Answer)
    parsed = json.loads(answer.body)
    assert parsed["reason"] == answer.code
    assert answer.status == APNS_REASONS[answer.code]
    return answer.code


def test_a_complete_request_is_taken_as_it_is() -> None:
    apns_id = str(uuid.uuid4())
    given = headers(
        apns_id=apns_id, apns_collapse_id="post-1", apns_push_type="alert", apns_priority="10", apns_expiration="99"
    )
    assert check(given) == APNsRequest(token=TOKEN, collapse_id="post-1", apns_id=apns_id)


def test_a_request_without_id_gets_one() -> None:
    checked = check(headers())
    assert isinstance(checked, APNsRequest)
    assert uuid.UUID(checked.apns_id)


TARGETS: dict[str, tuple[dict[str, str], str]] = {
    "path of another version": ({":path": f"/2/device/{TOKEN}"}, "BadPath"),
    "path without token": ({":path": "/3/device/"}, "MissingDeviceToken"),
    "path below the token": ({":path": f"/3/device/{TOKEN}/x"}, "BadPath"),
    "root": ({":path": "/"}, "BadPath"),
    "GET": ({":method": "GET"}, "MethodNotAllowed"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_method_and_path(name: str) -> None:
    changes, expected = TARGETS[name]
    assert reason(check_target({**headers(), **changes})) == expected


def test_a_right_target_is_not_judged_further() -> None:
    assert check_target(headers()) is None


HEADERS: dict[str, tuple[dict[str, str | None], str]] = {
    "no topic": ({"apns_topic": None}, "MissingTopic"),
    "malformed topic": ({"apns_topic": "no blanks please"}, "BadTopic"),
    "someone else's topic": ({"apns_topic": "com.example.other"}, "TopicDisallowed"),
    "id is not a UUID": ({"apns_id": "1"}, "BadMessageId"),
    "id without hyphens": ({"apns_id": uuid.uuid4().hex}, "BadMessageId"),
    "push type": ({"apns_push_type": "loud"}, "InvalidPushType"),
    "priority": ({"apns_priority": "7"}, "BadPriority"),
    "expiration is a date": ({"apns_expiration": "tomorrow"}, "BadExpirationDate"),
    "negative expiration": ({"apns_expiration": "-1"}, "BadExpirationDate"),
    "collapse id of 64 bytes": ({"apns_collapse_id": "x" * 64}, ""),
    "collapse id of 65 bytes": ({"apns_collapse_id": "x" * 65}, "BadCollapseId"),
    "collapse id of 22 Korean letters is 66 bytes": ({"apns_collapse_id": "가" * 22}, "BadCollapseId"),
    "empty collapse id": ({"apns_collapse_id": ""}, "BadCollapseId"),
    **{
        f"token {token[:3]} of {len(token)}": ({":path": f"/3/device/{token}"}, "BadDeviceToken")
        for token in ("abc", "0" * 63, "0" * 65, "g" * 64, "0" * 202)
    },
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers(name: str) -> None:
    changes, expected = HEADERS[name]
    checked = check(headers(**changes))
    assert isinstance(checked, APNsRequest) if not expected else reason(checked) == expected


def test_tokens_are_compared_in_lower_case() -> None:
    checked = check({**headers(), ":path": f"/3/device/{TOKEN.upper()}"})
    assert isinstance(checked, APNsRequest)
    assert checked.token == TOKEN


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"hello", b'{"aps": \xff}', b"[" * 100_000])
def test_what_is_not_a_payload(content: bytes) -> None:
    expected = "PayloadTooLarge" if len(content) > 4096 else "PayloadEmpty"
    assert reason(check(headers(), content)) == expected


def test_the_limit_is_4096_bytes_of_utf_8() -> None:
    around = len(b'{"aps":{"alert":""}}')
    fits = b'{"aps":{"alert":"%s"}}' % (b"x" * (4096 - around))
    assert isinstance(check(headers(), fits), APNsRequest)
    assert reason(check(headers(), fits + b" ")) == "PayloadTooLarge"


def test_a_voip_push_may_be_larger() -> None:
    content = b'{"x":"%s"}' % (b"y" * 5000)
    topic = APNS_TOPIC + ".voip"
    assert isinstance(check(headers(apns_push_type="voip", apns_topic=topic), content), APNsRequest)


def test_a_body_of_which_only_the_beginning_was_kept_is_too_large() -> None:
    assert reason(check_request(headers(), b'{"aps"', 1_000_000)) == "PayloadTooLarge"
