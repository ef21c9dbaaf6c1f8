from collections.abc import Mapping

import pytest

from pipeline.alerts.child import without
from pipeline.alerts.deciding import Condition, Facts, news
from pipeline.alerts.sending import Letter
from pipeline.alerts.watching import Silence

BROKEN = Condition(state="broken", sentence="site board is broken")
SUSPECT = Condition(state="suspect", sentence="site board is suspect")
LATE = Condition(state="late", sentence="notify_tasks is late")
STILL_LATE = Condition(state="late", sentence="notify_tasks is late", begins=False)
PAUSED = Condition(state="paused", sentence="channel fcm is paused: UNAUTHENTICATED")

CASES: dict[str, tuple[Mapping[str, str], Facts, tuple[str, ...], Mapping[str, str]]] = {
    "nothing is wrong": ({}, Facts(conditions={}), (), {}),
    "a site turns bad": (
        {},
        Facts(conditions={"site board": BROKEN}),
        ("site board is broken",),
        {"site board": "broken"},
    ),
    "it fails again": (
        {"site board": "broken"},
        Facts(conditions={"site board": BROKEN}),
        (),
        {"site board": "broken"},
    ),
    "it is bad in another way": (
        {"site board": "broken"},
        Facts(conditions={"site board": SUSPECT}),
        ("site board is suspect",),
        {"site board": "suspect"},
    ),
    "it recovers": (
        {"site board": "broken"},
        Facts(conditions={}, sites=frozenset({"board"})),
        ("site board recovered",),
        {},
    ),
    "it was switched off": ({"site board": "broken"}, Facts(conditions={}), ("site board: no longer watched",), {}),
    "a flood and its end": (
        {"flood board": "held"},
        Facts(conditions={}),
        ("the held posts of board were released or dropped",),
        {},
    ),
    "a channel opens, another closes": (
        {"channel apns": "paused"},
        Facts(conditions={"channel fcm": PAUSED}),
        ("channel fcm is paused: UNAUTHENTICATED", "channel apns is open again"),
        {"channel fcm": "paused"},
    ),
    "beat comes back": ({"beat": "stale"}, Facts(conditions={}), ("beat runs again",), {}),
    "a backlog begins": (
        {},
        Facts(conditions={"backlog notify_tasks": LATE}),
        ("notify_tasks is late",),
        {"backlog notify_tasks": "late"},
    ),
    "a backlog below its bound does not begin": ({}, Facts(conditions={"backlog notify_tasks": STILL_LATE}), (), {}),
    "a backlog a little below its bound lasts": (
        {"backlog notify_tasks": "late"},
        Facts(conditions={"backlog notify_tasks": STILL_LATE}),
        (),
        {"backlog notify_tasks": "late"},
    ),
    "a broker that is away ends no backlog": (
        {"backlog notify_tasks": "late", "beat": "stale"},
        Facts(conditions={}, unknown=frozenset({"backlog"})),
        ("beat runs again",),
        {"backlog notify_tasks": "late"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_message_per_change(case: str) -> None:
    told, facts, messages, after = CASES[case]
    found = news(told, facts)
    assert (found.messages, found.told) == (messages, after)
    # Told that, nothing is new.
    assert news(found.told, facts).messages == ()


def test_a_reason_holds_nothing_of_the_url() -> None:
    url = "slack://bot:p%40ss@hooks.example/T0KEN/S3CRET?key=abcd"
    said = without(url, "hooks.example refused T0KEN of bot with p@ss and abcd: S3CRET is unknown")
    assert said == "… refused … of … with … and …: … is unknown"


def test_a_letter_does_not_show_its_url() -> None:
    assert "S3CRET" not in repr(Letter(url="slack://T0KEN/S3CRET", title="crawlpush", body=""))


def test_a_silence_lasts_from_the_last_change_of_the_mark() -> None:
    silence = Silence(mark=None, since=100.0)
    assert silence.lasts(None, 150.0) == 50
    assert silence.lasts(b"a", 160.0) == 0
    assert silence.lasts(b"a", 200.0) == 40
    # A Redis that forgot is a change too: whoever looks next will say so again.
    assert silence.lasts(None, 210.0) == 0
