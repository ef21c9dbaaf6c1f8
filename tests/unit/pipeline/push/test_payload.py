import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.push.message import Platform
from pipeline.push.payload import apns_headers, apns_id, apns_payload, fcm_payload, reserved_data_keys
from tests.support.messages import message

CREATED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FULL = {
    "created_at": CREATED,
    "ttl_s": 3600,
    "badge": 3,
    "sound": "ping.caf",
    "channel_id": "notices",
    "thread_id": "demo",
    "image": "https://board.example/7.png",
}


def test_fcm_has_all_of_a_message():
    form = fcm_payload(message(**FULL), now=CREATED + timedelta(seconds=600))

    assert form == {
        "token": "ab" * 32,
        "notification": {
            "title": "장학금 안내",
            "body": "2026학년도 1학기 장학금 신청",
            "image": "https://board.example/7.png",
        },
        "data": {"post_id": "7", "site": "demo", "url": "https://board.example/posts/7"},
        "android": {
            "priority": "high",
            "ttl": "3000s",
            "notification": {"tag": "post-7", "channel_id": "notices", "sound": "ping.caf", "notification_count": 3},
        },
        "apns": {
            "headers": {
                "apns-priority": "10",
                "apns-expiration": str(int(CREATED.timestamp()) + 3600),
                "apns-collapse-id": "post-7",
            },
            "payload": {"aps": {"badge": 3, "sound": "ping.caf", "thread-id": "demo", "mutable-content": 1}},
            "fcm_options": {"image": "https://board.example/7.png"},
        },
        "webpush": {
            "headers": {"TTL": "3000", "Urgency": "high"},
            "notification": {"tag": "post-7"},
            "fcm_options": {"link": "https://board.example/posts/7"},
        },
    }


def test_fcm_never_gets_a_collapse_key():
    assert "collapse_key" not in json.dumps(fcm_payload(message(data={"collapse_key": "x"})))


@pytest.mark.parametrize(("ttl_s", "expected"), [(-5, "0s"), (0, "0s"), (259_200, "259200s"), (10**9, "2419200s")])
def test_fcms_ttl_stays_between_nothing_and_four_weeks(ttl_s, expected):
    assert fcm_payload(message(created_at=CREATED, ttl_s=ttl_s), now=CREATED)["android"]["ttl"] == expected


def test_apns_has_all_of_a_message():
    full = message(Platform.APNS, **FULL)

    assert apns_payload(full) == {
        "aps": {
            "alert": {"title": "장학금 안내", "body": "2026학년도 1학기 장학금 신청"},
            "badge": 3,
            "sound": "ping.caf",
            "thread-id": "demo",
            "mutable-content": 1,
        },
        "post_id": "7",
        "site": "demo",
        "url": "https://board.example/posts/7",
        "image": "https://board.example/7.png",
    }
    assert apns_headers(full, "org.example.app") == {
        "apns-topic": "org.example.app",
        "apns-push-type": "alert",
        "apns-id": apns_id(full),
        "apns-priority": "10",
        "apns-expiration": str(int(CREATED.timestamp()) + 3600),
        "apns-collapse-id": "post-7",
    }


def test_an_offline_phone_gets_it_later():
    long_ago = message(Platform.APNS, created_at=datetime(1969, 1, 1, tzinfo=UTC), ttl_s=1)

    # 0 would mean: try once.
    assert int(apns_headers(long_ago, "t")["apns-expiration"]) > 0


def test_a_delivery_keeps_its_apns_id():
    first, again, other = message(), message(title="changed"), message(delivery_id="18")
    assert apns_id(first) == apns_id(again) != apns_id(other)
    assert uuid.UUID(apns_id(first)).version == 5


def test_data_is_text_and_never_reserved():
    odd = message(data={"from": "x", "google.c": "x", "gcm.n": "x", "aps": "x", "message_type": "x", "n": 7}, url=None)
    assert fcm_payload(odd)["data"] == {"n": "7"}
    assert apns_payload(odd)["n"] == "7"
    assert isinstance(apns_payload(odd)["aps"], dict)
    assert reserved_data_keys(["post", "from", "googleX"]) == ["from", "googleX"]


def test_a_plain_message_has_no_empty_parts():
    plain = message(url=None, data={}, sound=None)
    assert set(fcm_payload(plain)) == {"token", "notification", "android", "apns", "webpush"}
    assert set(apns_payload(plain)) == {"aps"}
    assert fcm_payload(plain)["apns"]["payload"] == {"aps": {}}
