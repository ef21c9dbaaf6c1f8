from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scripts.state.screen import SITES_LISTED, amount, lines

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def when(at: datetime | None) -> str:
    return at.strftime("%H:%M") if at else "-"


def site(name: str, health: str = "well", **values: Any) -> dict[str, Any]:
    return {
        "name": name,
        "health": health,
        "trouble_since": None,
        "last_crawl": AT - timedelta(minutes=5),
        "result": "finished",
        "next_crawl": AT + timedelta(minutes=5),
        "posts": 3,
        "held": 0,
        **values,
    }


def report(**values: Any) -> dict[str, Any]:
    activity = {"posts": 0, "pushes": {}}
    return {
        "at": AT,
        "problems": [],
        "sites": [],
        **dict.fromkeys(("users", "devices", "subscriptions", "phrases"), 0),
        "last_hour": activity,
        "last_day": activity,
        "owed": {"runs": 0, "fan_outs": 0, "pending": 0, "due_since": None, "sending": 0, "failed": 0},
        "failed": {},
        "channels": [],
        "queues": {},
        "failed_tasks": [],
        "heartbeat": AT,
        "beat_problem": None,
        **values,
    }


def screen(**values: Any) -> str:
    return "\n".join(lines(report(**values), when=when))


def test_a_few_sites_have_a_line_each_those_in_trouble_first() -> None:
    said = screen(sites=[site("a"), site("b", "broken", trouble_since=AT - timedelta(hours=2))])
    assert said.index("  b ") < said.index("  a ")
    assert "broken   since 07:00" in said


def test_hundreds_of_sites_are_summed_up_and_only_those_in_trouble_have_a_line() -> None:
    sites = [site(f"well-{n}") for n in range(300)] + [site("flooded", "held", held=40), site("gone", "suspect")]
    said = lines(report(sites=sites), when=when)
    assert "sites: 302 (300 well, 1 held, 1 suspect)" in said
    assert [line.split()[0] for line in said if line.startswith("  ")] == ["flooded", "gone"]
    assert "40 held (`crawlpush sites release flooded` or drop)" in "\n".join(said)


def test_a_screen_has_room_for_everything_else_when_all_sites_are_in_trouble() -> None:
    said = lines(report(sites=[site(f"s-{n}", "broken") for n in range(500)]), when=when)
    assert len(said) < SITES_LISTED + 16
    assert any(f"and {500 - SITES_LISTED} more in trouble" in line for line in said)


def test_the_last_and_the_next_crawl_are_named() -> None:
    sites = [site("a", next_crawl=AT), site("b", last_crawl=AT - timedelta(minutes=1), result="timeout")]
    said = screen(sites=sites)
    assert "last crawl: b at 08:59 (timeout)" in said
    assert "next crawl: a at 09:00 (1 due)" in said


def test_a_queue_says_how_long_its_oldest_message_waits() -> None:
    said = screen(
        queues={"crawl_tasks": {"length": 0, "oldest_s": 0}, "notify_tasks": {"length": 2100, "oldest_s": 90}}
    )
    assert "queues: crawl_tasks 0 waiting, notify_tasks 2,100 waiting, the oldest for 1.5 min" in said


def test_a_paused_channel_says_why_and_until_when() -> None:
    paused = {
        "channel": "apns",
        "state": "paused",
        "since": AT,
        "until": AT + timedelta(minutes=1),
        "code": "InvalidProviderToken",
        "reason": "Check APNS_KEY_ID.",
    }
    said = screen(channels=[{"channel": "fcm", "state": "open"}, paused])
    assert "channels open: fcm" in said
    assert "apns is paused since 09:00, next try 09:01: InvalidProviderToken Check APNS_KEY_ID." in said


def test_what_could_not_be_learnt_is_left_out_and_its_reason_comes_first() -> None:
    assert lines({"at": AT, "problems": ["Redis cannot be reached: refused"]}) == ["Redis cannot be reached: refused"]


def test_an_escape_sequence_in_a_reason_does_not_reach_the_terminal() -> None:
    assert "\x1b" not in screen(failed={"\x1b[2Jrefused": 3})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1234, "1,234"),
        ({"count": 100_000, "precision": "at least"}, "100,000+"),
        ({"count": 3_012_000, "precision": "about"}, "about 3,012,000"),
    ],
)
def test_a_number_that_is_not_exact_says_so(value: Any, words: str) -> None:
    assert amount(value) == words
