"""How a site does: what its runs say about it, in a word or two. Pure.

`well` is what is usually called healthy, `suspect` and `ids change` degraded, `broken` failing.
"""

from storage.crawl_runs import SiteHistory
from storage.models import Site
from storage.run_figures import RunFigures

BROKEN_AFTER = 3
"""Failed runs in a row that make a site broken."""
SUSPECT_AFTER = 2
"""Finished runs in a row without any item, where there used to be some, that make a site suspect."""
IDS_CHANGE = "ids change"
"""The trouble of a site whose posts come under new ids (pipeline.crawling.same_posts)."""
_OF_ROWS = frozenset({"suspect", IDS_CHANGE})
"""Troubles that are about what stands on the page."""
GOOD_RUNS = 2
"""Good runs in a row after which a site in trouble has recovered: one alone may be luck, and would alert anew."""


def empty_runs_after(figures: RunFigures, history: SiteHistory) -> int:
    """Finished runs in a row without any item, where there used to be some."""
    # A 304 says that nothing changed, and a failed run says nothing of the rows.
    if not figures.ok or figures.not_modified:
        return history.empty_runs
    if figures.items_seen or not (history.saw_items or history.empty_runs):
        return 0
    return history.empty_runs + 1


def good_runs_after(figures: RunFigures, history: SiteHistory, *, ids_changed: bool = False) -> int:
    """Good runs in a row; they are counted up to what a recovery takes."""
    if not figures.ok or figures.is_ambiguous or ids_changed:
        return 0
    if figures.not_modified:
        # The site answers, so it is not broken; of its rows this says nothing.
        if history.trouble in _OF_ROWS:
            return history.good_runs
        good = history.empty_runs == 0
    else:
        good = figures.items_seen > 0 or not (history.saw_items or history.empty_runs)
    return min(history.good_runs + 1, GOOD_RUNS) if good else 0


def trouble_after(
    before: str | None,
    figures: RunFigures,
    *,
    failures: int,
    empty_runs: int,
    good_runs: int,
    ids_changed: bool = False,
) -> str | None:
    """The trouble a site is in after a run: it stays until enough good runs have followed."""
    if failures >= BROKEN_AFTER:
        return "broken"
    if empty_runs >= SUSPECT_AFTER or (figures.ok and figures.is_ambiguous):
        return "suspect"
    if ids_changed:
        return IDS_CHANGE
    return before if good_runs < GOOD_RUNS else None


def alert(before: str | None, after: str | None) -> str | None:
    """What to tell when a site's trouble changes: the one event of a turn to the bad, or of the recovery."""
    if before == after:
        return None
    return {None: "site recovered", IDS_CHANGE: "the ids of a site's posts change"}.get(after, f"site {after}")


def health(*, trouble: str | None, failures: int, empty_runs: int, is_ongoing: bool = False) -> str:
    """What `status` calls a site by its runs: well, in the trouble that it is in, or recovering from it.

    `is_ongoing` says that the last run showed the trouble, whatever is counted.
    """
    if trouble is None:
        return "well"
    return trouble if failures or empty_runs or is_ongoing else "recovering"


HEALTHS = ("well", "new", "off", "held", "broken", "suspect", IDS_CHANGE, "recovering")
"""What health_of says."""


def health_of(site: Site, *, held_posts: int) -> str:
    """What a site is called as it stands: one of HEALTHS."""
    if not site.enabled:
        return "off"
    if held_posts:
        return "held"
    word = health(
        trouble=site.trouble,
        failures=site.failures,
        empty_runs=site.empty_runs,
        is_ongoing=site.good_runs == 0,
    )
    return "new" if word == "well" and not site.baseline_done else word
