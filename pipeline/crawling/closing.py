"""Closing a run in one transaction: recognise old posts under new ids, judge the run, decide about its posts."""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import event
from sqlalchemy.orm import Session

from pipeline.crawling import health, same_posts, verdict
from pipeline.crawling.leaving import Standing, posts_missed
from pipeline.crawling.same_posts import Known, Pair
from pipeline.crawling.story_key import story_key
from pipeline.resources import now
from pipeline.scheduling import due
from storage import crawl_runs, leaving, showings, stories
from storage.models import CrawlRun, Post, Site
from storage.run_figures import RunFigures

logger = logging.getLogger(__name__)

UNNOTED = 50
"""Where it was never noted what a page showed, it is compared with so many of the site's latest posts, or more."""


@dataclass(frozen=True, kw_only=True)
class Closed:
    """How a run was closed."""

    # Without the old posts under new ids.
    new: int
    # What the verdict made of the new posts: ready, held or silent.
    fanout: str
    # The posts to fan out now.
    ready: tuple[int, ...]


def close_run(session: Session, run: CrawlRun, figures: RunFigures, *, retry_after_s: float | None = None) -> Closed:
    """Close a locked run by the one rule."""
    at = now()
    stored = crawl_runs.new_posts(session, run.id)
    site = session.get_one(Site, run.site_id)
    pairs = _carry_over(session, site, run.id, stored, figures, at) if stored else []
    new = stored - len(pairs)
    history = crawl_runs.history(session, run, with_usual=new > verdict.FLOOD_POSTS)
    # S311: the jitter of a backoff is not a secret.
    judged = verdict.judge(
        figures,
        history,
        new=new,
        now=at,
        retry_after_s=retry_after_s,
        rand=random.random(),  # noqa: S311
        ids_changed=_what_changed(site, pairs),
    )
    old_ids = {pair.new.id: pair.old.id for pair in pairs}
    shown = [old_ids.get(each, each) for each in figures.shown]
    _look_for_gone(session, site, figures, shown, at)
    if figures.ok and stored and shown:
        showings.keep(session, site.id, shown)
    ready = crawl_runs.close(session, run, figures, judged, new=new, carried=len(pairs), now=at)
    _tell_stories(session, site, run.id, at)
    due.adapt(session, site, at)
    _announce(session, health.alert(history.trouble, judged.trouble), site, figures)
    return Closed(new=new, fanout=judged.fanout, ready=tuple(ready))


def _look_for_gone(session: Session, site: Site, figures: RunFigures, shown: Sequence[int], at: datetime) -> None:
    """Count the posts that a good crawl missed, though it read the page to where older ones stand."""
    is_whole = figures.ok and figures.finish_reason == "finished" and not (figures.errors or figures.is_ambiguous)
    if not is_whole or figures.not_modified or not shown:
        return
    page = leaving.page(session, site.id, shown)
    absent = [Standing(**row._mapping) for row in page.absent]
    missed = posts_missed([Standing(**row._mapping) for row in page.shown], absent, page.places) if absent else []
    gone = leaving.count(session, site.id, shown_ids=shown, missed=missed, now=at)
    if gone:
        logger.info("posts are gone from their page", extra={"fields": {"site": site.name, "posts": gone}})


def decide_late_posts(session: Session, run_id: int) -> list[int]:
    """Decide about posts that a child stored after its run was closed as dead; returns the ids of those to fan out."""
    run = session.get_one(CrawlRun, run_id)
    site = session.get_one(Site, run.site_id)
    late = len(showings.found_by(session, run_id))
    _carry_over(session, site, run_id, late, RunFigures(finish_reason="lost", ok=False), now())
    ready = crawl_runs.decide_late_posts(session, run_id, now=now())
    _tell_stories(session, site, run_id, now())
    return ready


def _tell_stories(session: Session, site: Site, run_id: int, at: datetime) -> None:
    """Find out which of the posts that a run brought are stories that other sites of the group have too."""
    if site.group is None:
        return
    labels = (site.labels or "").split(",")
    found = {post.id: story_key(post.title, labels) for post in stories.open_posts(session, run_id)}
    stories.assign(session, site, {post_id: key for post_id, key in found.items() if key}, now=at)


def _carry_over(session: Session, site: Site, run_id: int, new: int, figures: RunFigures, at: datetime) -> list[Pair]:
    """Give the stored posts that a run found under new ids these ids; returns the pairs of new and old posts."""
    seen = max(figures.items_seen, new)
    if 2 * new < seen:
        return []
    rows = {post.id: post for post in showings.found_by(session, run_id)}
    before = showings.shown_before(session, site.id, run_id=run_id, count=max(UNNOTED, seen))
    rows |= {post.id: post for post in before if post.id not in set(figures.shown)}
    found = same_posts.compare(
        [_known(post) for post in rows.values() if post.run_id == run_id],
        [_known(post) for post in rows.values() if post.run_id != run_id],
        seen=seen,
        now=at,
        ids_change=site.trouble == health.IDS_CHANGE,
    )
    pairs = list(found.pairs)
    if found.pairs and found.left:
        taken = {*figures.shown, *(pair.old.id for pair in pairs)}
        earlier = {post.id: post for post in showings.earlier(session, site.id, run_id=run_id, without=taken)}
        rows |= earlier
        pairs += same_posts.returned(found, [_known(post) for post in earlier.values()], now=at)
    if pairs:
        showings.carry_over(session, [(rows[pair.new.id], rows[pair.old.id]) for pair in pairs])
    return pairs


def _known(post: Post) -> Known:
    return Known(
        id=post.id,
        external_id=post.external_id,
        url=post.url,
        title=post.title,
        published_at=post.published_at,
        first_seen_at=post.first_seen_at,
    )


def _what_changed(site: Site, pairs: Sequence[Pair]) -> str | None:
    """What to do about a site's changed ids, in words; None where they have not changed, or not by the site's doing."""
    if not pairs or not site.baseline_done:
        return None
    by_address = site.spider == "listing" and not site.params.get("id")
    if by_address and all(pair.new.url == pair.old.url for pair in pairs):
        # The addresses are what they were: only our way to take ids from them is another one.
        return None
    return same_posts.advice(site.name, site.spider, site.params, pairs)


def _announce(session: Session, words: str | None, site: Site, figures: RunFigures) -> None:
    """Log that a site turned bad or recovered, once, and only if the transaction that says so is committed."""
    if words is None:
        return
    fields = {"site": site.name, "reason": figures.finish_reason, "failures": site.failures}
    level = logging.INFO if site.trouble is None else logging.WARNING

    def log(_: Session) -> None:
        logger.log(level, words, extra={"fields": fields})

    event.listen(session, "after_commit", log, once=True)
