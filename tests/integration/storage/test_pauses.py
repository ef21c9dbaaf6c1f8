"""An operator's pauses of crawls, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from storage import crawl_runs, pauses, sites
from storage.models import CrawlRun, Site
from storage.pauses import Scope
from storage.session import Database
from tests.support.builders import NOW, add_site

ALL = Scope(activity="crawl")
BOARD = Scope(activity="crawl", site="board")
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def boards(database: Database) -> dict[str, int]:
    """Two sites that are due."""
    with database.writing() as session:
        return {name: add_site(session, name).id for name in ("board", "other")}


def begin(database: Database, scope: Scope) -> bool:
    with database.writing() as session:
        return pauses.begin(session, scope, now=NOW)


def end(database: Database, scope: Scope) -> pauses.Resumed | None:
    with database.writing() as session:
        return pauses.end(session, scope, now=LATER)


def due(database: Database) -> set[int]:
    """The sites that a tick queues a run for."""
    with database.writing() as session:
        runs = sites.claim_due(session, now=LATER, next_run=lambda _: LATER + timedelta(minutes=5))
        return {session.get_one(CrawlRun, run_id).site_id for run_id in runs}


def claimed(database: Database, run_id: int) -> bool:
    with database.writing() as session:
        run = crawl_runs.claim(session, run_id, owner="me", now=NOW, lease_until=LATER)
        return run is not None


@pytest.mark.parametrize(("scope", "crawled"), [(ALL, set()), (BOARD, {"other"})])
def test_a_paused_site_is_not_due_and_is_crawled_once_when_it_goes_on(database, boards, scope, crawled):
    assert begin(database, scope)
    assert due(database) == {boards[name] for name in crawled}
    with database.reading() as session:
        assert session.get_one(Site, boards["board"]).next_crawl_at == NOW
    assert end(database, scope) is not None
    assert due(database) == {boards[name] for name in {"board", "other"} - crawled}
    assert due(database) == set()


def test_an_owed_run_waits_and_its_message_is_sent_again_by_the_end_of_the_pause_alone(database, boards):
    # Given a queued run whose message a crawler takes while its site is paused
    with database.writing() as session:
        run_id = sites.queue_run(session, boards["board"], trigger="beat", now=NOW)
    assert run_id is not None
    begin(database, BOARD)
    assert not claimed(database, run_id)

    # Then the sweep does not send for it, however long it waits
    with database.writing() as session:
        assert crawl_runs.stranded(session, enqueued_before=LATER, now=LATER) == []

    # And the end of the pause does
    resumed = end(database, BOARD)
    assert resumed.runs == [run_id]
    assert claimed(database, run_id)


def test_what_two_pauses_hold_waits_for_both(database, boards):
    with database.writing() as session:
        run_id = sites.queue_run(session, boards["board"], trigger="beat", now=NOW)
    begin(database, ALL)
    begin(database, BOARD)
    first = end(database, ALL)
    assert first.runs == []
    assert due(database) == {boards["other"]}
    second = end(database, BOARD)
    assert second.runs == [run_id]


def test_a_pause_is_made_once_and_ended_once(database, boards):
    scopes = [
        ALL,
        BOARD,
        Scope(activity="push"),
        Scope(activity="push", channel="fcm"),
        Scope(activity="push", site="board"),
    ]
    assert [begin(database, scope) for scope in scopes] == [True] * 5
    assert [begin(database, scope) for scope in scopes] == [False] * 5
    with database.reading() as session:
        in_force = pauses.in_force(session)
    assert {pause.since for pause in in_force} == {NOW}
    assert len(in_force) == len(scopes)
    assert all(pause.scope in scopes for pause in in_force)
    assert all(end(database, scope) is not None for scope in scopes)
    assert [end(database, scope) for scope in scopes] == [None] * 5


def test_the_pauses_of_a_site_go_with_it(database, boards):
    begin(database, BOARD)
    with database.writing() as session:
        sites.remove(session, "board", now=NOW)
        add_site(session, "board")
        assert pauses.in_force(session) == []
        assert session.scalars(select(Site.name).where(pauses.crawls_paused())).all() == []
