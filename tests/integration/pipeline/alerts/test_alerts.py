"""Alerts through Apprise to a real HTTP receiver on loopback."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from pipeline.alerts.sending import Letter, send
from pipeline.alerts.watching import look
from pipeline.resources import now
from pipeline.settings import Settings
from storage import channel_health, channels
from storage.models import Site
from tests.support.builders import add_site
from tests.support.http_server import Asked, Said, http_server
from tests.support.waiting import SECONDS

pytestmark = pytest.mark.usefixtures("_app_on_redis")


class Receiver:
    """Takes what json:// sends, or refuses it."""

    def __init__(self) -> None:
        self.letters: list[str] = []
        self.status = 200
        self.url = ""
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, asked: Asked) -> Said:
        assert self.may_answer.wait(SECONDS)
        if self.status == 200:
            self.letters.append(json.loads(asked.body)["message"])
        return Said(status=self.status)


@pytest.fixture
def receivers() -> Iterator[tuple[Receiver, Receiver]]:
    one, two = Receiver(), Receiver()
    with http_server(one) as first, http_server(two) as second:
        one.url, two.url = (f"{origin.replace('http:', 'json:')}/S3CRET" for origin in (first, second))
        yield one, two


def test_each_change_is_told_once_to_each_destination_also_to_one_that_was_away(database, redis, receivers):
    here, away = receivers
    settings = Settings(alert_urls=f"{here.url} {away.url}")

    def looked() -> tuple[list[str], list[str]]:
        look(database, redis, settings, beat_ticks=True)
        told = here.letters[:], away.letters[:]
        here.letters.clear()
        away.letters.clear()
        return told

    # Given nothing wrong, nobody hears anything
    assert looked() == ([], [])

    # When a site breaks while one destination refuses, the other is told, once
    with database.writing() as session:
        add_site(session, "board", trouble="broken", failures=3)
    away.status = 500
    broken = "site board is broken: 3 failed crawls; see `crawlpush sites show board`"
    assert looked() == ([broken], [])
    assert looked() == ([], [])

    # And when that one is back, it is told too
    away.status = 200
    assert looked() == ([], [broken])

    # When the site recovers and a channel is paused, that is one letter
    with database.writing() as session:
        session.execute(update(Site).values(trouble=None, failures=0))
        channels.pause(session, "fcm", code="X", reason="why.", now=now(), until=now() + timedelta(minutes=1))
    both = "channel fcm is paused: X why.\nsite board recovered"
    assert looked() == ([both], [both])

    # And a Redis that forgets everything costs one repeated letter
    redis.flushdb()
    assert looked() == (["channel fcm is paused: X why."],) * 2
    assert looked() == ([], [])


def test_a_vendor_that_takes_nothing_is_told_and_so_is_its_end(database, redis, receivers):
    here, settings = receivers[0], Settings(alert_urls=receivers[0].url)
    with database.writing() as session:
        channel_health.begin_trouble(session, "fcm", code="UNAVAILABLE", detail="try later", since=now())
    look(database, redis, settings, beat_ticks=True)
    with database.writing() as session:
        channel_health.end_trouble(session, "fcm")
    look(database, redis, settings, beat_ticks=True)
    assert here.letters == [
        "the vendor of channel fcm takes nothing: UNAVAILABLE try later",
        "the vendor of channel fcm takes messages again",
    ]


def test_many_processes_that_look_at_once_send_one_letter(database, redis, receivers):
    settings = Settings(alert_urls=receivers[0].url)
    with database.writing() as session:
        add_site(session, "board", trouble="suspect", empty_runs=2)
    threads = [
        threading.Thread(target=look, args=(database, redis, settings), kwargs={"beat_ticks": False}) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (letter,) = receivers[0].letters
    assert "site board is suspect" in letter
    assert "beat is not running" in letter


def test_a_destination_that_hangs_or_makes_no_sense_is_a_reason_without_secrets(receivers):
    receivers[0].status = 500
    refused, senseless = send(
        [Letter(url=receivers[0].url, title="t", body="b"), Letter(url="nosuch://S3CRET", title="t", body="b")]
    )
    assert (refused.scheme, refused.ok, senseless.ok) == ("json", False, False)
    assert refused.reason
    assert "S3CRET" not in refused.reason + senseless.reason
    receivers[1].may_answer.clear()
    (late,) = send([Letter(url=receivers[1].url, title="t", body="b")], timeout_s=0.01)
    receivers[1].may_answer.set()
    assert (late.ok, late.reason) == (False, "not within 0.01 s")
