"""People of a drill who say when they want to hear: what they say lets each post ring while the drill lasts."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pipeline.basics.preferences import Pace, Preferences
from pipeline.delivery.timing import Facts, SendNow, WaitUntil, when
from scripts.testbed.timings import TIMED, WAYS, WINDOWS, ZONES, Timing, draw, said, step

BEGIN = datetime(2026, 11, 28, 23, 41, 17, tzinfo=UTC)


@pytest.mark.parametrize("minutes", [0.5, 3, 60])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("zone", ZONES)
def test_nobody_waits_longer_than_one_step(zone: str, way: str, minutes: float) -> None:
    words = said(Timing(zone=zone, way=way), BEGIN, minutes)
    rang = 0
    waits = []
    for part in range(40):
        at = BEGIN + timedelta(minutes=minutes) * part / 40
        facts = Facts(
            now=at,
            created_at=at,
            ttl_s=86_400,
            preferences=Preferences.from_json(words.preferences),
            zone=ZoneInfo(zone),
            snooze_until=words.snooze_until,
            pace=Pace.NOW if way == "cap" else None,
            pushed_today=rang,
        )
        decision = when(facts)
        if isinstance(decision, SendNow):
            rang += 1
            continue
        assert isinstance(decision, WaitUntil)
        waits.append(decision.time - at)
    assert waits
    assert timedelta() < max(waits) <= step(minutes)


def test_the_seed_decides_who_waits_in_what_zone() -> None:
    people = draw(1, 2000)
    timed = [each for each in people if each]
    assert people == draw(1, 2000) != draw(2, 2000)
    assert len(timed) == pytest.approx(2000 * TIMED, rel=0.2)
    assert ({each.zone for each in timed}, {each.way for each in timed}) == (set(ZONES), set(WAYS))
    assert len(ZONES) == 24
    assert WINDOWS * step(60) > timedelta(minutes=60)
