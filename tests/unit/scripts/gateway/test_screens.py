import json
from typing import Any

import pytest

from scripts.gateway.record import PushRecord
from scripts.gateway.screens import NOTICES_SHOWN, PHONES_SHOWN, Screen, screens


def fcm(title: str = "t", body: str = "", *, image: str = "", data: bool = False, **shown: Any) -> dict[str, Any]:
    """A message as FCM gets it; with `data` alone it shows nothing."""
    texts = {"title": title, "body": body, **({"image": image} if image else {})}
    return {"data": {"x": "y"}} if data else {"notification": texts, "android": {"notification": shown}}


def apns(title: str = "t", body: str = "", *, image: str = "", **aps: Any) -> dict[str, Any]:
    alert = {"alert": {"title": title, "body": body}} if title else {}
    return {"aps": {**alert, **aps}, **({"image": image} if image else {})}


def drawn(*messages: dict[str, Any], tags: tuple[str | None, ...] = ()) -> Screen:
    """The screen of the one phone that these messages went to."""
    record = PushRecord()
    for place, message in enumerate(messages):
        platform = "apns" if "aps" in message else "fcm"
        content = json.dumps({"message": message} if platform == "fcm" else message).encode()
        tag = tags[place] if tags else None
        record.accept(platform=platform, token="phone", tag=tag, content=content, headers={})
    (screen,) = screens(record, {})
    return screen


@pytest.mark.parametrize(
    ("message", "expected"),
    {
        "Android rings with a sound": (fcm(sound="default"), {"quiet": False}),
        "Android is quiet without one": (fcm(), {"quiet": True}),
        "Android is quiet at a low priority": (
            fcm(sound="default", notification_priority="PRIORITY_LOW"),
            {"quiet": True},
        ),
        "an iPhone rings with a sound": (apns(sound="default"), {"quiet": False}),
        "an iPhone is quiet without one": (apns(), {"quiet": True}),
        "passive is quiet whatever the sound": (
            apns(sound="default", **{"interruption-level": "passive"}),
            {"quiet": True},
        ),
        "the host of Android's picture": (fcm(image="https://i.example.org/a.png"), {"picture": "i.example.org"}),
        "an iPhone fetches it when told": (
            apns(image="https://i.example.org/a", **{"mutable-content": 1}),
            {"picture": "i.example.org"},
        ),
        "and not otherwise": (apns(image="https://i.example.org/a"), {"picture": ""}),
        "no address of a picture": (fcm(image="https://[::"), {"picture": ""}),
        "a digest in lines": (fcm("3 posts", "one\ntwo\nthree"), {"title": "3 posts", "body": "one\ntwo\nthree"}),
    }.values(),
)
def test_a_notification_as_the_phone_shows_it(message: dict[str, Any], expected: dict[str, Any]) -> None:
    (notice,) = drawn(message).notices
    assert {name: getattr(notice, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("messages", "badge"),
    [
        ((fcm(), fcm()), 2),
        ((fcm(notification_count=7), fcm()), 7),
        ((apns(badge=3), apns(badge=2)), 2),
        ((apns(badge=3), apns()), 3),
        ((apns(badge=3), apns("", badge=0)), 0),
        ((apns(),), 0),
    ],
)
def test_the_badge(messages: tuple[dict[str, Any], ...], badge: int) -> None:
    assert drawn(*messages).badge == badge


def test_the_same_tag_replaces_and_moves_up() -> None:
    screen = drawn(fcm("old"), fcm("other"), fcm("new"), tags=("a", "b", "a"))
    assert [(notice.title, notice.sends) for notice in screen.notices] == [("new", 2), ("other", 1)]
    assert screen.newest == 3


def test_a_silent_replacement_is_quiet_and_leaves_the_badge() -> None:
    ring, silent = apns("old", sound="default", badge=3), apns("new", **{"interruption-level": "passive"})
    screen = drawn(ring, silent, silent, tags=("a", "a", "a"))
    assert [(notice.title, notice.sends, notice.quiet) for notice in screen.notices] == [("new", 3, True)]
    assert screen.badge == 3


def test_what_has_no_text_is_not_shown() -> None:
    assert drawn(fcm(data=True)).notices == []


def test_a_crowd_is_drawn_in_part_and_those_with_a_name_first() -> None:
    record = PushRecord()
    for number in range(30):
        for _ in range(NOTICES_SHOWN + 2 if number == 29 else 1):
            content = json.dumps({"message": fcm(str(number))}).encode()
            record.accept(platform="fcm", token=f"token-{number}", tag=None, content=content, headers={})
    found = screens(record, {("apns", "waits"): "james", ("fcm", "token-3"): "minji"})
    assert [(each.owner, each.kind, each.number) for each in found[:3]] == [
        ("james", "iphone", 0),
        ("minji", "android", 4),
        ("", "android", 30),
    ]
    assert len(found) == PHONES_SHOWN
    assert (len(found[2].notices), found[2].more) == (NOTICES_SHOWN, 2)
    assert "token" not in repr(found)
