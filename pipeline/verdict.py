"""The decision about a crawl run and its posts. Pure: facts go in, a verdict comes out."""

from datetime import datetime, timedelta

from storage.crawl_runs import RunFigures, SiteHistory, Verdict
from storage.models import Site

FLOOD_POSTS = 20
"""A run with at most this many new posts is never held."""
FLOOD_FACTOR = 5
"""A run with more than this many times the site's usual number of new posts is held, if it is over FLOOD_POSTS too."""
BROKEN_AFTER = 3
"""Failed runs in a row that make a site broken."""
SUSPECT_AFTER = 2
"""Finished runs in a row without any item, where there used to be some, that make a site suspect."""
GOOD_RUNS = 2
"""Good runs in a row after which a site in trouble has recovered: one alone may be luck, and would alert anew."""
FIRST_BACKOFF = timedelta(minutes=1)
LONGEST_BACKOFF = timedelta(days=1)


def judge(
    figures: RunFigures,
    history: SiteHistory,
    *,
    new: int,
    now: datetime,
    rand: float,
    retry_after_s: float | None = None,
) -> Verdict:
    """Decide what becomes of a run's posts and of its site.

    `rand` in [0, 1) is the jitter of the backoff; `retry_after_s` what the site asked us to wait, if it did.
    """
    saw_items = figures.ok and figures.items_seen > 0
    failures = 0 if figures.ok else history.failures + 1
    empty_runs = _empty_runs(figures, history)
    good_runs = _good_runs(figures, history)
    return Verdict(
        fanout=_fanout(history, new),
        silent_before=now - timedelta(seconds=history.max_age_s),
        # Only a finished run that saw items is a baseline: a page that could not be read shows nothing of the site.
        baseline_done=history.baseline_done or saw_items,
        failures=failures,
        empty_runs=empty_runs,
        suspended_until=_suspended_until(failures, now, rand, retry_after_s),
        trouble=_trouble(history.trouble, failures=failures, empty_runs=empty_runs, good_runs=good_runs),
        good_runs=good_runs,
    )


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


def _empty_runs(figures: RunFigures, history: SiteHistory) -> int:
    # A 304 says that nothing changed, and a failed run says nothing of the rows.
    if not figures.ok or figures.not_modified:
        return history.empty_runs
    if figures.items_seen or not (history.saw_items or history.empty_runs):
        return 0
    return history.empty_runs + 1


def backoff(failures: int, rand: float) -> timedelta:
    """How long a site is left alone after so many failed runs in a row: doubling, up to a day, less up to a half."""
    doubled = FIRST_BACKOFF.total_seconds() * 2 ** min(failures - 1, 20)
    return timedelta(seconds=min(doubled, LONGEST_BACKOFF.total_seconds()) * (1 - rand / 2))


def _good_runs(figures: RunFigures, history: SiteHistory) -> int:
    """Good runs in a row; they are counted up to what a recovery takes."""
    if not figures.ok:
        return 0
    if figures.not_modified:
        # The site answers, so it is not broken; of its rows this says nothing.
        good = history.empty_runs == 0
    else:
        good = figures.items_seen > 0 or not (history.saw_items or history.empty_runs)
    return min(history.good_runs + 1, GOOD_RUNS) if good else 0


def _trouble(before: str | None, *, failures: int, empty_runs: int, good_runs: int) -> str | None:
    if failures >= BROKEN_AFTER:
        return "broken"
    if empty_runs >= SUSPECT_AFTER:
        return "suspect"
    return before if good_runs < GOOD_RUNS else None


def alert(before: str | None, after: str | None) -> str | None:
    """What to tell when a site's trouble changes: the one event of a turn to the bad, or of the recovery."""
    if before == after:
        return None
    return f"site {after}" if after else "site recovered"


def health(*, trouble: str | None, failures: int, empty_runs: int) -> str:
    """What `status` calls a site: well, suspect (its rows vanished), broken (its crawls fail), or recovering."""
    if trouble is None:
        return "well"
    return trouble if failures or empty_runs else "recovering"


HEALTHS = ("well", "new", "off", "held", "broken", "suspect", "recovering")
"""What health_of says."""


def health_of(site: Site, *, held_posts: int) -> str:
    """One word for a site as it stands: off, held, broken, suspect, recovering, new or well."""
    if not site.enabled:
        return "off"
    if held_posts:
        return "held"
    word = health(trouble=site.trouble, failures=site.failures, empty_runs=site.empty_runs)
    return "new" if word == "well" and not site.baseline_done else word
