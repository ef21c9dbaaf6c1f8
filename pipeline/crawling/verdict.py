"""The decision about a crawl run and its posts. Pure: facts go in, a verdict comes out."""

from datetime import datetime, timedelta

from pipeline.crawling.health import empty_runs_after, good_runs_after, trouble_after
from pipeline.scheduling.due import LONGEST_BACKOFF, longest_backoff
from storage.crawl_runs import SiteHistory, Verdict
from storage.run_figures import NOT_THE_SITES, RunFigures

FLOOD_POSTS = 20
"""A run with at most this many new posts is never held."""
FLOOD_FACTOR = 5
"""A run with more than this many times the site's usual number of new posts is held, if it is over FLOOD_POSTS too."""


def judge(
    figures: RunFigures,
    history: SiteHistory,
    *,
    new: int,
    now: datetime,
    rand: float,
    retry_after_s: float | None = None,
    ids_changed: str | None = None,
) -> Verdict:
    """Decide what becomes of a run's posts and of its site.

    `new` is without the posts that are old ones under new ids; `ids_changed` says what to do about these, if the site
    has changed its ids. `rand` in [0, 1) is the jitter of the backoff; `retry_after_s` what the site asked us to wait,
    if it did.
    """
    saw_the_site = figures.ok and (figures.items_seen > 0 or figures.is_empty)
    # What says nothing of the site changes nothing about it.
    ours = figures.finish_reason in NOT_THE_SITES
    failures = 0 if figures.ok else history.failures + (not ours)
    empty_runs = empty_runs_after(figures, history)
    changed = ids_changed is not None
    good_runs = history.good_runs if ours and not changed else good_runs_after(figures, history, ids_changed=changed)
    trouble = trouble_after(
        history.trouble,
        figures,
        failures=failures,
        empty_runs=empty_runs,
        good_runs=good_runs,
        ids_changed=changed,
    )
    return Verdict(
        fanout=_fanout(history, new),
        silent_before=now - timedelta(seconds=history.max_age_s),
        # Only a finished run that saw items, or that there are none, is a baseline: a page that could not be read shows
        # nothing of the site.
        baseline_done=history.baseline_done or saw_the_site,
        failures=failures,
        empty_runs=empty_runs,
        suspended_until=None if ours else _suspended_until(failures, now, rand, retry_after_s),
        trouble=trouble,
        good_runs=good_runs,
        advice=_advice(figures, history, trouble, ids_changed),
    )


def _advice(figures: RunFigures, history: SiteHistory, trouble: str | None, ids_changed: str | None) -> str | None:
    if trouble is None:
        return None
    problem = figures.problem if (figures.ok and trouble == "suspect") or figures.login_refused else None
    return ids_changed or problem or history.advice


def _suspended_until(failures: int, now: datetime, rand: float, retry_after_s: float | None) -> datetime | None:
    if not failures and retry_after_s is None:
        return None
    wished = timedelta(seconds=min(retry_after_s or 0, LONGEST_BACKOFF.total_seconds()))
    return now + max(backoff(failures, rand) if failures else timedelta(0), wished)


def _fanout(history: SiteHistory, new: int) -> str:
    if not history.baseline_done:
        return "silent"
    if new > FLOOD_POSTS and new > FLOOD_FACTOR * history.usual_new:
        return "held"
    return "ready"


def backoff(failures: int, rand: float) -> timedelta:
    """How long a site is left alone after so many failed runs in a row: doubling, up to a day, less up to a half."""
    return longest_backoff(failures) * (1 - rand / 2)
