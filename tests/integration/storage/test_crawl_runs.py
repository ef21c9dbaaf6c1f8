from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage import crawl_runs, sites
from storage.models import CrawlRun, Site
from storage.session import Database
from tests.support.builders import NOW, add_site, found, running_run, stored_posts

LATER = NOW + timedelta(minutes=5)


def next_run(_site: Site) -> datetime:
    return LATER


def test_a_site_has_at_most_one_unfinished_run(session: Session) -> None:
    site = add_site(session)
    assert sites.queue_run(session, site.id, trigger="manual", now=NOW) is not None
    assert sites.queue_run(session, site.id, trigger="manual", now=NOW) is None


def test_a_due_site_gets_one_run_and_its_next_time(session: Session) -> None:
    site = add_site(session)
    assert len(sites.claim_due(session, now=NOW, next_run=next_run)) == 1
    assert site.next_crawl_at == LATER
    assert sites.claim_due(session, now=NOW, next_run=next_run) == []


def test_two_beats_at_once_queue_each_due_site_once(database: Database) -> None:
    with database.writing() as session:
        for number in range(40):
            add_site(session, f"site-{number}")

    def tick(_: int) -> int:
        with database.writing() as session:
            return len(sites.claim_due(session, now=NOW, next_run=next_run))

    with ThreadPoolExecutor(4) as pool:
        claimed = sum(pool.map(tick, range(4)))
    with database.reading() as session:
        runs = session.scalar(select(func.count()).select_from(CrawlRun))
    assert claimed == runs == 40


def test_a_due_site_whose_last_run_is_unfinished_is_counted_and_left_out(session: Session) -> None:
    site = add_site(session)
    running_run(session, site)
    assert sites.claim_due(session, now=NOW, next_run=next_run) == []
    assert (site.skipped_runs, site.next_crawl_at) == (1, LATER)


def test_disabled_and_suspended_sites_are_not_due(session: Session) -> None:
    add_site(session, "off", enabled=False)
    add_site(session, "left-alone", suspended_until=NOW + timedelta(seconds=1))
    add_site(session, "back", suspended_until=NOW)
    assert len(sites.claim_due(session, now=NOW, next_run=next_run)) == 1


def test_a_run_is_claimed_once_and_again_after_its_lease(session: Session) -> None:
    run = running_run(session, add_site(session), owner="first")
    lease_end = NOW + timedelta(minutes=1)
    assert crawl_runs.claim(session, run.id, owner="second", now=NOW, lease_until=lease_end) is None
    after = lease_end + timedelta(seconds=1)
    assert crawl_runs.claim(session, run.id, owner="second", now=after, lease_until=after)
    assert not crawl_runs.extend(session, run.id, owner="first", lease_until=after)
    assert crawl_runs.lock(session, run.id, owner="first") is None
    assert crawl_runs.lock(session, run.id, owner="second")


def test_a_run_handed_back_is_queued_again(session: Session) -> None:
    run = running_run(session, add_site(session))
    crawl_runs.hand_back(session, run.id, owner="me", now=NOW)
    session.refresh(run)
    assert (run.status, run.owner) == ("queued", None)
    assert crawl_runs.claim(session, run.id, owner="other", now=NOW, lease_until=LATER)


def test_dead_runs_are_those_whose_lease_ran_out(session: Session) -> None:
    run = running_run(session, add_site(session))
    assert crawl_runs.dead(session, now=NOW + timedelta(seconds=59)) == []
    assert [r.id for r in crawl_runs.dead(session, now=NOW + timedelta(seconds=61))] == [run.id]


def test_history_knows_what_is_usual(session: Session) -> None:
    site = add_site(session)
    stored_posts(session, site, [found(n) for n in range(4)])
    stored_posts(session, site, [found(n) for n in range(6)])
    stored_posts(session, site, [found(n) for n in range(6)])
    stored_posts(session, site, [found(n) for n in range(100, 190)], fanout="held")
    stored_posts(session, site, [found(n) for n in range(200, 290)], fanout="silent")
    facts = crawl_runs.history(session, running_run(session, site))
    # 4 pushed, then 2, then none, which is no measure of how many come when some come; nor are those that nobody got.
    assert (facts.usual_new, facts.saw_items) == (3.0, True)
