import json
import unicodedata
from datetime import UTC, datetime

import pytest

from pipeline.delivery.compose import compose
from pipeline.push.message import MAX_PAYLOAD_BYTES, Message, fit
from pipeline.push.payload import apns_payload, fcm_payload
from storage.claims import Claimed
from storage.outgoing import PostText, Target

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def composed(
    *, phrase: str | None = "장학", push: dict[str, object] | None = None, to_show: int | None = None, **post: object
) -> Message:
    values: dict[str, object] = {
        "id": 7,
        "site": "konkuk",
        "url": "https://board.example/7",
        "title": "장학금 신청",
        "body": "금요일까지",
        "author": "",
        "ttl_s": 600,
        "first_seen_at": NOW,
        "push": push or {},
        **post,
    }
    notification = Claimed(
        id=1,
        post_id=7,
        user_id=3,
        user="minji",
        attempts=1,
        created_at=NOW,
        phrase=phrase,
        badge=4,
        reached=False,
        to_show=to_show,
    )
    target = Target(
        notification_id=1,
        device_id=9,
        platform="fcm",
        token="secret-token",
        environment=None,
        last_seen_at=NOW,
        attempts=0,
    )
    return compose(PostText(**values), notification, target)  # type: ignore[arg-type]


def test_the_usual_message_says_why_where_and_what() -> None:
    message = composed()
    assert (message.title, message.body) == ("장학금 신청", "장학 · konkuk — 금요일까지")
    assert (message.tag, message.delivery_id, message.badge, message.ttl_s) == ("post-7", "1-9", 4, 600)
    assert (message.sound, message.channel_id, message.thread_id, message.image) == ("default", None, "konkuk", None)
    assert message.data == {"post_id": "7", "notification_id": "1", "site": "konkuk", "url": "https://board.example/7"}
    assert message.url == "https://board.example/7"


@pytest.mark.parametrize(("urgent", "category"), [(False, "post"), (True, "urgent")])
def test_each_push_says_which_actions_the_app_may_show(urgent: bool, category: str) -> None:
    message = composed(urgent=urgent)
    apns, fcm = apns_payload(message), fcm_payload(message)
    assert (apns["aps"]["category"], fcm["data"]["category"]) == (category, category)


def test_a_long_text_is_shown_around_its_phrase_with_the_posts_own_picture() -> None:
    text = "일반 안내입니다. " * 2_000 + "국가장학금 신청은 금요일까지입니다."
    message = composed(body=text, image="https://a.example/own.png", push={"image": "https://a.example/site.png"})
    assert message.image == "https://a.example/own.png"
    assert message.body.endswith("국가장학금 신청은 금요일까지입니다.")
    assert len(message.body) < 300
    assert composed(body=text, push={"body": "{body}"}).body.startswith("일반 안내입니다. 일반")


@pytest.mark.parametrize(
    ("title", "shown"),
    [("아르바이트생, 알바", "아르바이트"), ("art school", "art"), ("start, part-time", '"알바 | x"')],
)
def test_of_any_of_several_phrases_the_one_that_stands_first_is_named(title: str, shown: str) -> None:
    several = '"알바 | x" | art | 아르바이트 | 알바'
    assert composed(phrase=several, title=title, body="", push={"body": "{phrase}"}).body == shown


def test_a_subscription_to_a_whole_site_names_no_phrase() -> None:
    assert composed(phrase=None, body="").body == "konkuk"


def test_a_site_shapes_all_of_its_message() -> None:
    message = composed(
        push={
            "title": "[{site}] {title}",
            "body": "{author}: {body}",
            "sound": "",
            "channel_id": "notices",
            "thread_id": "all",
            "image": "https://cdn.example/a.png",
            "link": "app://posts/{post_id}",
            "badge": False,
            "data": {"kind": "notice of {site}", "site": "mine"},
        },
        author="학생처",
    )
    assert (message.title, message.body) == ("[konkuk] 장학금 신청", "학생처: 금요일까지")
    assert (message.sound, message.channel_id, message.thread_id) == (None, "notices", "all")
    assert (message.image, message.url, message.badge) == ("https://cdn.example/a.png", "app://posts/7", None)
    # What the app counts on is not changed by a template
    assert message.data["site"] == "konkuk"
    assert message.data["kind"] == "notice of konkuk"
    assert (message.data["link"], message.data["url"]) == ("app://posts/7", "https://board.example/7")


def test_control_characters_and_turned_text_never_reach_a_phone() -> None:
    message = composed(title="공지\x1b[2J\n\u202e거꾸로\u2066", body="\u200b줄\t바꿈\r\n끝")
    assert message.title == "공지[2J 거꾸로"
    assert message.body == "장학 · konkuk — 줄 바꿈 끝"


def test_a_post_without_a_title_is_still_to_be_seen() -> None:
    assert composed(title="\u202e ").title == "konkuk"


def test_a_column_of_another_version_gives_the_usual_message() -> None:
    assert composed(push={"colour": "red"}).body == composed().body


@pytest.mark.parametrize("letter", ["가", "👩‍👩‍👧‍👦", "🇰🇷", "e\u0301"])
@pytest.mark.parametrize("form", [fcm_payload, apns_payload])
def test_a_long_text_is_cut_on_a_character_boundary_to_4096_bytes(letter: str, form: object) -> None:
    def encoded(message: Message) -> bytes:
        return json.dumps(form(message), ensure_ascii=False).encode()  # type: ignore[operator]

    message, payload = fit(composed(body=letter * 5000, push={"body": "{body}"}), encoded)
    assert MAX_PAYLOAD_BYTES - 40 < len(payload) <= MAX_PAYLOAD_BYTES
    kept = message.body.removesuffix("…").removeprefix("장학 · konkuk — ")
    whole = unicodedata.normalize("NFC", letter)
    assert kept == whole * (len(kept) // len(whole))


def test_a_long_address_gives_way_to_the_sites_own() -> None:
    asked = composed(url="https://board.example/" + "a" * 4300, site_url="https://board.example/list")
    for encoded in (lambda m: json.dumps(fcm_payload(m)).encode(), lambda m: json.dumps(apns_payload(m)).encode()):
        message, payload = fit(asked, encoded)
        assert len(payload) <= MAX_PAYLOAD_BYTES
        assert (message.title, message.body) == (asked.title, asked.body)
        assert message.url == message.data["url"] == "https://board.example/list"


@pytest.mark.parametrize(
    ("push", "channel"),
    [({}, None), ({"channel_id": "loud"}, "loud"), ({"channel_id": "loud", "quiet_channel_id": "quiet"}, "quiet")],
)
def test_what_replaces_a_shown_text_is_silent_and_changes_no_number(push: dict[str, object], channel: str) -> None:
    usual, message = composed(push=push, urgent=True), composed(push=push, urgent=True, to_show=2)
    assert (message.tag, message.title, message.delivery_id) == (usual.tag, usual.title, usual.delivery_id)
    assert message.data == {**usual.data, "replaces": "true"}
    android = fcm_payload(message, NOW)["android"]
    assert (android["priority"], android["notification"].get("channel_id")) == ("normal", channel)
    assert {"sound", "notification_count"}.isdisjoint(android["notification"])
    assert android["notification"]["notification_priority"] == "PRIORITY_LOW"
    aps = apns_payload(message)["aps"]
    assert {"sound", "badge"}.isdisjoint(aps)
    assert aps["interruption-level"] == "passive"
