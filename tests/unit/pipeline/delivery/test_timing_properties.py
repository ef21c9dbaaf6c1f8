"""When something is pushed, against an oracle that walks through time minute by minute (tests/support)."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, note, settings
from hypothesis import strategies as st

from pipeline.basics.preferences import Pace, Preferences, QuietHours
from pipeline.delivery.timing import Facts, InboxOnly, Reason, SendNow, WaitUntil, when
from tests.support.waiting_oracle import Arrival, Person, latest, may_ring

ZONES = ("UTC", "Asia/Seoul", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
# Some days around both changes of the clock, in Berlin, New York and on Lord Howe Island; and around a new year.
BEGINS = tuple(
    datetime(2026, month, day, tzinfo=UTC)
    for month, day in ((3, 27), (10, 23), (3, 6), (10, 30), (4, 3), (10, 2), (12, 30), (6, 10))
)
CLOCKS = st.integers(0, 143).map(lambda tenth: tenth * 10) | st.integers(0, 1_439)
DAYS = st.just(frozenset(range(7))) | st.sets(st.integers(0, 6), min_size=1).map(frozenset)
WINDOWS = st.tuples(CLOCKS, CLOCKS, DAYS).filter(lambda window: window[0] != window[1] or window[0] == 0)
SPREAD = timedelta(minutes=15)


@st.composite
def persons(draw: st.DrawFn) -> Person:
    begin = draw(st.sampled_from(BEGINS))
    return Person(
        zone=ZoneInfo(draw(st.sampled_from(ZONES))),
        quiet=tuple(draw(st.lists(WINDOWS, max_size=3))),
        digests=tuple(sorted(draw(st.sets(CLOCKS, max_size=3)))),
        cap=draw(st.none() | st.integers(1, 3)),
        urgent_passes=draw(st.booleans()),
        snooze_until=draw(st.none() | st.integers(0, 4_000).map(lambda n: begin + timedelta(minutes=n))),
    )


ARRIVALS = st.builds(
    Arrival,
    at=st.tuples(st.sampled_from(BEGINS), st.integers(0, 3 * 86_400)).map(lambda at: at[0] + timedelta(seconds=at[1])),
    ttl=st.sampled_from((timedelta(hours=1), timedelta(hours=9), timedelta(days=3))),
    pace=st.sampled_from((None, "now", "hourly", "daily", "inbox")),
    urgent=st.booleans(),
    rang_today=st.integers(0, 3),
)


def clock(minutes: int) -> time:
    return time(minutes // 60, minutes % 60)


def preferences(person: Person) -> Preferences:
    return Preferences(
        quiet=tuple(QuietHours(start=clock(begin), end=clock(end), days=days) for begin, end, days in person.quiet),
        digests=tuple(map(clock, person.digests)),
        daily_cap=person.cap,
        urgent_passes=person.urgent_passes,
    )


def outcome(person: Person, post: Arrival, offset: timedelta) -> tuple[datetime | None, list[Reason]]:
    """When a post rings if it is asked about at its arrival and at each time that it is told to wait for, and why."""
    now, reasons = post.at, list[Reason]()
    while len(reasons) < 50:
        decision = when(
            Facts(
                now=now,
                created_at=post.at,
                ttl_s=post.ttl.total_seconds(),
                preferences=preferences(person),
                zone=person.zone,
                offset=offset,
                snooze_until=person.snooze_until,
                pace=Pace(post.pace) if post.pace else None,
                urgent=post.urgent,
                pushed_today=post.rang_today,
                waited=bool(reasons),
            )
        )
        match decision:
            case SendNow():
                return now, reasons
            case InboxOnly(reason):
                return None, [*reasons, reason]
            case WaitUntil(until, reason):
                assert until > now
                now = until
                reasons.append(reason)
    raise AssertionError(f"it waits for ever: {reasons}")


@settings(max_examples=100)
@given(persons(), ARRIVALS, st.integers(0, int(SPREAD.total_seconds())).map(lambda s: timedelta(seconds=s)))
def test_everything_rings_when_it_may_and_in_time_or_is_in_the_inbox_for_a_reason(person, post, offset):
    note(f"{person}\n{post}\noffset {offset}")
    rang, reasons = outcome(person, post, offset)
    in_time = latest(person, post, SPREAD)
    if rang is not None:
        assert may_ring(person, post, rang)
        assert in_time is None or rang <= in_time
        assert rang < post.at + post.ttl
        # What nothing keeps rings at once.
        assert reasons or rang == post.at
    elif post.pace == "inbox":
        assert reasons == [Reason.INBOX]
    else:
        assert reasons[-1] is Reason.EXPIRED
        assert in_time is None or in_time >= post.at + post.ttl
