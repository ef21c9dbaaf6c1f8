"""What waits for a person's time, as commands tell of it and change it."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from pipeline.delivery.asking import timing_of
from pipeline.resources import now
from pipeline.settings import get_settings
from storage import digests, notifications, overview, users
from storage.matching import Hit
from storage.models import Notification, Site, User
from storage.session import Database
from tests.support.builders import add_site, add_user, found, stored_posts, subscribe
from tests.support.cli import crawlpush

Run = Callable[..., str]


@pytest.fixture
def run(database_url: str, configure: Callable[..., None]) -> Run:
    """Run `crawlpush` on a migrated database, on a screen of 80 columns."""
    configure(DATABASE_URL=database_url, DISPLAY_TIMEZONE="Asia/Seoul", COLUMNS="80")
    return lambda *arguments: crawlpush(*arguments).output


@pytest.fixture
def database(run: Run, database_url: str) -> Database:
    """With a site that Minji and Juno follow."""
    database = Database(database_url)
    with database.writing() as session:
        site = add_site(session)
        for name in ("minji", "juno"):
            user = add_user(session, name)
            subscribe(session, user, None, site_id=site.id)
    return database


def post(database: Database, number: int = 1) -> None:
    """Fan out a post of the site."""
    with database.writing() as session:
        site = session.scalars(select(Site)).one()
        (post_id,) = stored_posts(session, site, [found(number)])
        timing = timing_of(get_settings())
        notifications.create_slice(
            session,
            post_id,
            Hit(site_id=site.id, title_ids=[], all_ids=[], match_body=False),
            after=0,
            size=9,
            now=now(),
            ask=timing.asker(ttl_s=site.ttl_s, urgent=site.urgent, now=now()),
            everybody=timing.for_everybody,
        )


def listed(run: Run, user: str) -> dict[str, Any]:
    (row,) = json.loads(run("notifications", "list", "--user", user, "--json"))
    return dict(row)


def test_what_waits_is_told_with_its_time_and_reason_and_counted(run, database):
    run("users", "set", "minji", "--snooze", "2h")
    post(database)
    assert listed(run, "juno")["waits_until"] is None
    row = listed(run, "minji")
    assert (row["status"], row["reason"]) == ("pending", "snooze")
    until = datetime.fromisoformat(row["waits_until"])
    assert timedelta(minutes=119) < until - now() < timedelta(minutes=121)
    screen = run("notifications", "list", "--user", "minji")
    assert "snooze" in screen
    assert "waits until" in screen
    with database.reading() as session:
        assert {name: each.count for name, each in overview.owed(session).waiting.items()} == {"snooze": 1}


@pytest.mark.parametrize(
    "change",
    [
        ("users", "set", "minji", "--digest", "none"),
        ("users", "set", "minji", "--timezone", "America/New_York"),
        ("subscriptions", "add", "minji", "--site", "board", "--pace", "inbox"),
        ("users", "pause", "minji"),
    ],
)
def test_a_change_holds_at_once_for_what_waits(run, database, change):
    run("users", "set", "minji", "--digest", "08:00", "--timezone", "Asia/Seoul")
    post(database)
    before = listed(run, "minji")
    run(*change)
    after = listed(run, "minji")
    assert (after["status"], after["reason"], after["waits_until"]) != (
        before["status"],
        before["reason"],
        before["waits_until"],
    )


def test_when_a_snooze_ends_what_waited_is_due_at_once(run, database):
    run("users", "set", "minji", "--snooze", "2h")
    post(database)
    run("users", "set", "minji", "--snooze", "off")
    with database.writing() as session:
        formed = digests.form(session, now=now(), limit=9)
        assert len(formed.digests) == 1


def test_an_import_holds_for_what_waits_and_touches_nobody_else(run, database, tmp_path):
    for name in ("minji", "juno"):
        run("users", "set", name, "--snooze", "2h")
    post(database)
    before = listed(run, "juno")
    file = tmp_path / "users.jsonl"
    file.write_text('{"user": "minji", "snooze_until": "off"}\n{"user": "juno", "daily_cap": "20/day"}\n')
    run("users", "import", str(file))
    assert datetime.fromisoformat(listed(run, "minji")["waits_until"]) <= now()
    assert listed(run, "juno") == before


def test_match_tells_when_each_would_get_a_post_at_some_moment(run, database):
    run("users", "set", "minji", "--quiet-hours", "22:00-08:00", "--timezone", "Asia/Seoul")
    ask = ("match", "--title", "x", "--site", "board", "--at")
    asleep = json.loads(run(*ask, "2026-12-01 23:30", "--json"))
    assert asleep["outcomes"] == {"at once": 1, "quiet hours": 1}
    (minji, juno) = asleep["when"]
    assert minji["until"].startswith("2026-12-01T23:0")
    assert (minji["why"], juno) == ("quiet hours", {"user": "juno", "until": None, "why": "at once"})
    assert "minji: waits until 2026-12-02 08:0" in run(*ask, "2026-12-01 23:30")
    assert json.loads(run(*ask, "2026-12-01 12:00", "--json"))["outcomes"] == {"at once": 2}
    with database.writing() as session:
        session.execute(update(Site).values(urgent=True))
    run("users", "set", "minji", "--urgent-passes")
    assert json.loads(run(*ask, "2026-12-01 23:30", "--json"))["outcomes"] == {"at once": 2}


def test_match_counts_what_a_capped_user_got_today(run, database):
    run("users", "set", "minji", "--daily-cap", "1")
    post(database)
    at = now()
    with database.writing() as session:
        user_id = users.by_external_id(session, "minji").id
        session.execute(update(Notification).where(Notification.user_id == user_id).values(status="sent", sent_at=at))
    ask = ("match", "--title", "x", "--site", "board", "--json", "--at")
    assert json.loads(run(*ask, at.isoformat()))["when"][0]["why"] == "daily cap"
    assert json.loads(run(*ask, (at + timedelta(days=1)).isoformat()))["when"][0]["why"] == "at once"


def test_a_default_of_the_installation_holds_for_who_says_nothing_else(run, database, monkeypatch):
    monkeypatch.setenv("DEFAULT_QUIET_HOURS", "22:00-08:00")
    run("users", "set", "juno", "--quiet-hours", "none")
    asked = json.loads(run("match", "--title", "x", "--site", "board", "--at", "2026-12-01T23:30Z", "--json"))
    assert [each["why"] for each in asked["when"]] == ["quiet hours", "at once"]
    assert "22:00-08:00 (default)" in run("users", "show", "minji")
    with database.reading() as session:
        assert session.scalars(select(User.preferences).order_by(User.id)).all() == [None, {"quiet": []}]
