"""Rows that tests start from, made through the product's own functions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from pipeline.fanout.matcher import parse_phrase
from storage import crawl_runs, posts, sites, subscriptions, users
from storage.crawl_runs import Verdict
from storage.models import CrawlRun, Post, Site, User
from storage.posts import FoundPost
from storage.run_figures import RunFigures
from storage.subscriptions import KeywordText

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def keyword(raw: str, kind: str | None = None) -> KeywordText:
    phrase = parse_phrase(raw, kind)
    return KeywordText(text=phrase.text, kind=phrase.kind)


def add_site(session: Session, name: str = "board", **columns: Any) -> Site:
    values = {"baseline_done": True, "next_crawl_at": NOW, **columns}
    return sites.add(session, name=name, spider="listing", now=NOW, **values)


def add_user(session: Session, name: str, *phrases: str, platform: str = "console", site_id: int | None = None) -> User:
    user = users.add(session, name, timezone="UTC", now=NOW)
    users.register_device(session, user.id, platform=platform, token=f"token-of-{name}", environment=None, now=NOW)
    for raw in phrases:
        subscribe(session, user, raw, site_id=site_id)
    return user


def subscribe(session: Session, user: User, raw: str | None, **options: Any) -> None:
    values = {"site_id": None, "limit": 100, "now": NOW, **options}
    subscriptions.add(session, user.id, keyword=keyword(raw) if raw else None, **values)


def found(number: int, title: str = "", **values: Any) -> FoundPost:
    return FoundPost(
        external_id=f"id-{number}", url=f"https://board.test/{number}", title=title or f"Post {number}", **values
    )


def running_run(session: Session, site: Site, *, owner: str = "me", now: datetime = NOW) -> CrawlRun:
    run_id = sites.queue_run(session, site.id, trigger="manual", now=now)
    assert run_id is not None
    run = crawl_runs.claim(session, run_id, owner=owner, now=now, lease_until=now + timedelta(minutes=1))
    assert run is not None
    return run


def stored_posts(session: Session, site: Site, found_posts: Sequence[FoundPost], *, fanout: str = "ready") -> list[int]:
    """A finished run that found these posts; returns the ids of those to fan out."""
    return closed_run(session, site, found_posts, fanout=fanout)


def closed_run(
    session: Session,
    site: Site,
    found_posts: Sequence[FoundPost],
    *,
    fanout: str,
    new: int | None = None,
    now: datetime = NOW,
) -> list[int]:
    """The same at some moment; says whether so many posts are new, when that is known."""
    run = running_run(session, site, now=now)
    stored = posts.store(session, site_id=site.id, run_id=run.id, found=found_posts, now=now)
    assert new in (None, stored)
    verdict = Verdict(
        fanout=fanout,
        silent_before=now - timedelta(days=7),
        baseline_done=True,
        failures=0,
        empty_runs=0,
        suspended_until=None,
    )
    figures = RunFigures(finish_reason="finished", ok=True, items_seen=len(found_posts))
    return crawl_runs.close(session, run, figures, verdict, new=stored, now=now)


def a_post(site_id: int, external_id: str, **columns: Any) -> Post:
    """A post as it stands in the database."""
    usual = {"url": f"https://board.test/{external_id}", "title": f"Title {external_id}", "first_seen_at": NOW}
    return Post(**{"site_id": site_id, "external_id": external_id, "content_hash": "", **usual, **columns})
