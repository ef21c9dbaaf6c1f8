import json
from typing import Any

import pytest

from scripts.gateway.record import Push, PushRecord


def send(record: PushRecord, token: str, tag: str | None, title: str = "t") -> Push:
    content = json.dumps({"message": {"token": token, "notification": {"title": title, "body": "b"}}}).encode()
    return record.accept(platform="fcm", token=token, tag=tag, content=content, headers={})


def shown(record: PushRecord) -> dict[str, list[tuple[Any, Any, Any]]]:
    return {p["token"]: [(s["tag"], s["title"], s["sends"]) for s in p["shown"]] for p in record.phones()}


def test_the_same_tag_replaces_on_the_same_phone_only() -> None:
    record = PushRecord()
    send(record, "a", "post-1", "first")
    send(record, "a", "post-1", "second")
    send(record, "a", "post-2")
    send(record, "b", "post-1")
    assert shown(record) == {"a": [("post-1", "second", 2), ("post-2", "t", 1)], "b": [("post-1", "t", 1)]}
    stats = record.stats()
    assert (stats["sends"], stats["shown"], stats["replaced"], stats["phones"]) == (4, 3, 1, 2)


@pytest.mark.parametrize(
    ("platform", "more", "rings", "replaces"),
    [
        ("fcm", {"android": {"notification": {"sound": "default"}}}, True, False),
        (
            "fcm",
            {"android": {"notification": {"default_sound": True, "notification_priority": "PRIORITY_LOW"}}},
            False,
            False,
        ),
        ("fcm", {"data": {"replaces": "true"}}, False, True),
        ("apns", {"sound": "default"}, True, False),
        ("apns", {"sound": "default", "interruption-level": "passive"}, False, False),
        ("apns", {}, False, False),
    ],
)
def test_all_messages_in_short(platform: str, more: dict[str, Any], *, rings: bool, replaces: bool) -> None:
    record = PushRecord()
    text = {"title": "t", "body": "b"}
    content = {"message": {"notification": text, **more}} if platform == "fcm" else {"aps": {"alert": text, **more}}
    record.accept(platform=platform, token="a", tag="post-1", content=json.dumps(content).encode(), headers={})
    send(record, "b", None)
    assert record.messages() == [("a", "post-1", "t", rings, replaces, ""), ("b", "2", "t", False, False, "")]


def test_without_a_tag_nothing_is_replaced() -> None:
    record = PushRecord()
    send(record, "a", None)
    send(record, "a", None)
    assert shown(record) == {"a": [(None, "t", 1), (None, "t", 1)]}


def test_received_since_a_number() -> None:
    record = PushRecord()
    numbers = [send(record, "a", str(i)).number for i in range(3)]
    assert [push["number"] for push in record.received(numbers[0])] == numbers[1:]
    assert record.received(numbers[-1]) == []


def test_memory_is_bounded_and_the_sums_stay_right() -> None:
    record = PushRecord(keep=10)
    for i in range(25):
        send(record, f"token-{i % 5}", f"post-{i}")
    stats = record.stats()
    assert (stats["sends"], stats["shown"], stats["replaced"], stats["forgotten"]) == (25, 25, 0, 15)
    assert len(record.received()) == 10
    assert sum(len(phone["shown"]) for phone in record.phones()) == 10


def test_fcm_text_prefers_android() -> None:
    record = PushRecord()
    message = {
        "token": "a",
        "notification": {"title": "common", "body": "common body"},
        "android": {"notification": {"title": "android"}},
        "data": {"post_id": "1"},
    }
    content = json.dumps({"message": message}).encode()
    push = record.accept(platform="fcm", token="a", tag=None, content=content, headers={}).to_json()
    assert (push["title"], push["body"], push["data"]) == ("android", "common body", {"post_id": "1"})


def test_apns_text_of_both_kinds_of_alert() -> None:
    record = PushRecord()
    for alert, expected in (
        ({"title": "t", "body": "b"}, ("t", "b")),
        ("just text", ("", "just text")),
        (None, ("", "")),
    ):
        content = json.dumps({"aps": {"alert": alert}, "post_id": 1}).encode()
        push = record.accept(platform="apns", token="a", tag=None, content=content, headers={}).to_json()
        assert (push["title"], push["body"]) == expected
        assert push["data"] == {"post_id": 1}


def test_a_reset_forgets_everything() -> None:
    record = PushRecord()
    send(record, "a", "x")
    record.refused("fcm", "UNREGISTERED")
    record.reset()
    assert (record.received(), record.phones(), record.stats()["fcm"]) == ([], [], {})
    assert send(record, "a", "x").number == 1


def test_tokens_are_not_in_the_repr() -> None:
    assert "secret-token" not in repr(send(PushRecord(), "secret-token", "x"))
