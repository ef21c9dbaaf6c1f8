import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.state.report import Activity, ChannelNews, Counts, DatabaseNews, QueueNews, RedisNews, Report, SiteNews
from pipeline.upkeep.brought_back import BroughtBack
from scripts.commands.status import plain
from scripts.output import in_words
from scripts.state.screen import SITES_LISTED, lines
from storage.models import ChannelHealth, ChannelState
from storage.overview import Amount, Owed, Precision
from storage.pauses import Paused, Scope

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def when(at: datetime | None) -> str:
    return at.strftime("%H:%M") if at else "-"


def site(name: str, health: str = "well", **values: Any) -> SiteNews:
    news = SiteNews(
        name=name,
        health=health,
        trouble_since=None,
        last_crawl=AT - timedelta(minutes=5),
        result="finished",
        next_crawl=AT + timedelta(minutes=5),
        posts=3,
        held=0,
    )
    return replace(news, **values)


def of_database(**values: Any) -> DatabaseNews:
    none, nothing = Amount(count=0), Activity(posts=Amount(count=0), pushes={})
    news = DatabaseNews(
        sites=[],
        counts=Counts(
            at=AT, amounts=dict.fromkeys(("users", "devices", "subscriptions", "phrases"), none), last_day=nothing
        ),
        last_hour=nothing,
        owed=Owed(runs=none, fan_outs=none, pending=none, due_since=None, sending=none, failed=none),
        failed={},
        channels=[],
        pauses=[],
    )
    return replace(news, **values)


def report(
    *, queues: Mapping[str, QueueNews] | None = None, dispatcher_problem: str | None = None, **values: Any
) -> Report:
    redis = RedisNews(failed_tasks=[], heartbeat=AT, beat_problem=None, dispatcher_problem=dispatcher_problem)
    return Report(at=AT, database=of_database(**values), redis=redis, queues=queues or {})


def screen(**values: Any) -> str:
    return "\n".join(lines(report(**values), when=when))


def test_a_few_sites_have_a_line_each_those_in_trouble_first() -> None:
    said = screen(sites=[site("a"), site("b", "broken", trouble_since=AT - timedelta(hours=2))])
    assert said.index("  b ") < said.index("  a ")
    assert "broken   (began 2 h ago) crawled 5 min ago" in said


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
    assert "crawled 1 min ago (timeout)" in said
    assert all(len(line) <= 80 for line in said.splitlines() if line.startswith("  "))


def test_a_queue_says_how_long_its_oldest_message_waits() -> None:
    said = screen(
        queues={"crawl_tasks": QueueNews(length=0, oldest_s=0), "notify_tasks": QueueNews(length=2100, oldest_s=90)}
    )
    assert "queues: crawl_tasks 0 waiting, notify_tasks 2,100 waiting, the oldest for 1.5 min" in said


def test_a_queue_that_is_late_and_ticks_that_nobody_does_need_a_person() -> None:
    late = report(queues={"crawl_tasks": QueueNews(length=3, oldest_s=700, late=True)})
    assert "crawl_tasks 3 waiting, the oldest for 11.7 min (late: does a crawler run?)" in "\n".join(lines(late))
    assert late.needs_a_person
    idle = report(dispatcher_problem="no dispatcher has done beat's ticks for 3 min")
    assert "no dispatcher has done beat's ticks for 3 min" in lines(idle)
    assert idle.needs_a_person


FAULT = ChannelState(
    name="apns",
    paused_at=AT,
    paused_until=AT + timedelta(minutes=1),
    code="InvalidProviderToken",
    reason="Check APNS_KEY_ID.",
)
CHANNELS = [ChannelNews(channel="fcm", fault=None), ChannelNews(channel="apns", fault=FAULT)]


def test_a_paused_channel_says_why_and_until_when() -> None:
    said = screen(channels=CHANNELS)
    assert "channels open: fcm" in said
    assert "not set up: console" in said
    assert "apns is paused since 09:00, next try 09:01: InvalidProviderToken Check APNS_KEY_ID." in said


TROUBLE = ChannelHealth(name="fcm", trouble_since=AT, trouble_code="UNAVAILABLE", trouble_detail="try later")
TROUBLED = [ChannelNews(channel="fcm", fault=None, trouble=TROUBLE, refused={"NOT_FOUND": 2})]


def test_a_vendors_trouble_and_phones_that_are_refused_are_shown() -> None:
    said = screen(channels=TROUBLED)
    assert "channel fcm: its vendor takes nothing since 09:00: UNAVAILABLE try later" in said
    assert "channel fcm: 2 phones are refused because of NOT_FOUND, the others are not" in said


def test_a_pause_by_an_operator_is_shown() -> None:
    paused = Paused(scope=Scope(activity="push", site="board"), since=AT)
    assert "board" in screen(pauses=[paused])


def test_what_could_not_be_learnt_is_left_out_and_its_reason_comes_first() -> None:
    away = Report(at=AT, problems=["Redis cannot be reached: refused"])
    assert lines(away) == ["Redis cannot be reached: refused"]
    assert plain(away) == {"at": AT, "problems": ["Redis cannot be reached: refused"], "needs_a_person": True}


def test_the_report_as_json_is_one_flat_object() -> None:
    flat = plain(
        report(sites=[site("a")], channels=CHANNELS, queues={"crawl_tasks": QueueNews(length=1, oldest_s=2.5)})
    )
    assert json.loads(json.dumps(flat, default=str)) == {
        "at": str(AT),
        "sites": [
            {
                "name": "a",
                "health": "well",
                "trouble_since": None,
                "last_crawl": str(AT - timedelta(minutes=5)),
                "result": "finished",
                "next_crawl": str(AT + timedelta(minutes=5)),
                "posts": 3,
                "held": 0,
            }
        ],
        "users": 0,
        "devices": 0,
        "subscriptions": 0,
        "phrases": 0,
        "last_day": {"posts": 0, "pushes": {}},
        "last_hour": {"posts": 0, "pushes": {}},
        "owed": {"pending": 0, "due_since": None, "sending": 0, "failed": 0, "fan_outs": 0, "runs": 0, "waiting": {}},
        "failed": {},
        "channels": [
            {
                "channel": "fcm",
                "state": "open",
                "since": None,
                "until": None,
                "code": None,
                "reason": None,
                "trouble_since": None,
                "trouble": None,
                "refused": {},
            },
            {
                "channel": "apns",
                "state": "paused",
                "since": str(AT),
                "until": str(AT + timedelta(minutes=1)),
                "code": "InvalidProviderToken",
                "reason": "Check APNS_KEY_ID.",
                "trouble_since": None,
                "trouble": None,
                "refused": {},
            },
        ],
        "pauses": [],
        "failed_tasks": [],
        "heartbeat": str(AT),
        "beat_problem": None,
        "dispatcher_problem": None,
        "brought_back": None,
        "queues": {"crawl_tasks": {"length": 1, "oldest_s": 2.5, "late": False}},
        "problems": [],
        "needs_a_person": True,
    }


def test_a_number_that_is_not_exact_says_so_in_json_too() -> None:
    some = Amount(count=100_000, precision=Precision.AT_LEAST)
    seen = plain(report(last_hour=Activity(posts=some, pushes={})))
    assert seen["last_hour"]["posts"] == {"count": 100_000, "precision": "at least"}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (report(sites=[site("a")]), False),
        (report(sites=[site("a", "broken")]), True),
        (report(channels=CHANNELS), True),
        (report(channels=TROUBLED), True),
        (report(channels=[replace(TROUBLED[0], trouble=None)]), False),
        (report(queues={"crawl_tasks": QueueNews(length=3, oldest_s=700, late=True)}), True),
        (report(dispatcher_problem="nobody does beat's ticks"), True),
        (replace(report(), problems=["Redis cannot be reached"]), True),
        (replace(report(), redis=RedisNews(failed_tasks=[], heartbeat=None, beat_problem="no beat")), True),
        (Report(at=AT), False),
    ],
)
def test_what_needs_a_person_is_red(found: Report, expected: bool) -> None:
    assert found.needs_a_person is expected
    assert ("red" in [line.color for line in lines(found)]) is expected


def test_what_is_worth_a_look_is_yellow_and_what_is_well_has_no_color() -> None:
    paused = Paused(scope=Scope(activity="push", site="board"), since=AT)
    shown = lines(report(sites=[site("a")], pauses=[paused], channels=[replace(TROUBLED[0], trouble=None)]))
    assert [line.color for line in shown if "paused" in line or "refused" in line] == ["yellow"] * 2
    assert {line.color for line in shown} == {None, "yellow"}


def test_an_escape_sequence_in_a_reason_does_not_reach_the_terminal() -> None:
    assert "\x1b" not in screen(failed={"\x1b[2Jrefused": 3})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Amount(count=1234), "1,234"),
        (Amount(count=100_000, precision=Precision.AT_LEAST), "100,000+"),
        (Amount(count=3_012_000, precision=Precision.ABOUT), "about 3,012,000"),
    ],
)
def test_a_number_that_is_not_exact_says_so(value: Amount, words: str) -> None:
    assert in_words(value) == words


def test_what_a_wrong_clock_left_behind_is_said() -> None:
    mended = BroughtBack(count=1200, at=AT)
    said = replace(report(), redis=RedisNews(failed_tasks=[], heartbeat=AT, beat_problem=None, brought_back=mended))
    assert f"times too far ahead were brought back, 1,200 of them, last {when(AT)}" in "\n".join(lines(said, when=when))
    assert plain(said)["brought_back"] == {"count": 1200, "at": AT}
