from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.crawling.health import alert, health
from pipeline.crawling.verdict import backoff, judge
from storage.crawl_runs import SiteHistory
from storage.run_figures import RunFigures

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
FINISHED = RunFigures(finish_reason="finished", ok=True, items_seen=10)
EMPTY = replace(FINISHED, items_seen=0)
NOT_MODIFIED = replace(FINISHED, items_seen=0, not_modified=True)
FAILED = RunFigures(finish_reason="crashed", ok=False, items_seen=3)
KNOWN = SiteHistory(baseline_done=True, usual_new=2.0, saw_items=True, failures=0, empty_runs=0, max_age_s=7 * 86_400)
NEW = replace(KNOWN, baseline_done=False, usual_new=0.0, saw_items=False)


def test_the_first_crawl_is_a_silent_baseline() -> None:
    verdict = judge(FINISHED, NEW, new=10, now=NOW, rand=0)
    assert (verdict.fanout, verdict.baseline_done) == ("silent", True)


@pytest.mark.parametrize("figures", [FAILED, EMPTY, NOT_MODIFIED])
def test_a_baseline_ends_only_with_a_finished_run_that_saw_items(figures: RunFigures) -> None:
    verdict = judge(figures, NEW, new=figures.items_seen, now=NOW, rand=0)
    assert (verdict.fanout, verdict.baseline_done) == ("silent", False)


@pytest.mark.parametrize(
    ("new", "usual", "fanout"),
    [
        (1, 0.0, "ready"),
        (20, 0.0, "ready"),
        (21, 0.0, "held"),
        (21, 4.2, "ready"),
        (22, 4.2, "held"),
        (100, 20.0, "ready"),
        (101, 20.0, "held"),
    ],
)
def test_far_more_new_posts_than_usual_are_held(new: int, usual: float, fanout: str) -> None:
    history = replace(KNOWN, usual_new=usual)
    assert judge(FINISHED, history, new=new, now=NOW, rand=0).fanout == fanout


def test_what_a_failed_run_stored_is_still_pushed() -> None:
    assert judge(FAILED, KNOWN, new=3, now=NOW, rand=0).fanout == "ready"


def test_posts_older_than_the_sites_limit_are_silent() -> None:
    assert judge(FINISHED, KNOWN, new=1, now=NOW, rand=0).silent_before == NOW - timedelta(days=7)


@pytest.mark.parametrize(
    ("figures", "before", "after"),
    [(EMPTY, 0, 1), (EMPTY, 1, 2), (FINISHED, 5, 0), (NOT_MODIFIED, 1, 1), (FAILED, 1, 1)],
)
def test_rows_that_vanish_are_counted(figures: RunFigures, before: int, after: int) -> None:
    history = replace(KNOWN, empty_runs=before)
    assert judge(figures, history, new=0, now=NOW, rand=0).empty_runs == after


def test_a_site_that_never_had_items_is_not_suspected() -> None:
    assert judge(EMPTY, replace(KNOWN, saw_items=False), new=0, now=NOW, rand=0).empty_runs == 0


def test_failures_back_off_and_a_success_forgets_them() -> None:
    failed = judge(FAILED, replace(KNOWN, failures=2), new=0, now=NOW, rand=0)
    assert (failed.failures, failed.suspended_until) == (3, NOW + timedelta(minutes=4))
    well = judge(FINISHED, replace(KNOWN, failures=9), new=0, now=NOW, rand=0)
    assert (well.failures, well.suspended_until) == (0, None)


def test_a_site_that_asked_us_to_wait_is_left_alone_at_least_that_long() -> None:
    failed = judge(FAILED, KNOWN, new=0, now=NOW, rand=0, retry_after_s=600)
    assert failed.suspended_until == NOW + timedelta(minutes=10)
    well = judge(FINISHED, KNOWN, new=0, now=NOW, rand=0, retry_after_s=600)
    assert well.suspended_until == NOW + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("failures", "rand", "seconds"),
    [(1, 0, 60), (2, 0, 120), (5, 0, 960), (30, 0, 86_400), (10_000, 0, 86_400), (1, 0.5, 45), (30, 0.999, 43_243.2)],
)
def test_backoff_doubles_up_to_a_day_less_its_jitter(failures: int, rand: float, seconds: float) -> None:
    assert backoff(failures, rand).total_seconds() == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("trouble", "failures", "empty_runs", "word"),
    [
        (None, 0, 0, "well"),
        (None, 2, 1, "well"),
        ("broken", 3, 0, "broken"),
        ("suspect", 0, 2, "suspect"),
        ("broken", 0, 0, "recovering"),
        ("broken", 1, 0, "broken"),
    ],
)
def test_health_in_one_word(trouble: str | None, failures: int, empty_runs: int, word: str) -> None:
    assert health(trouble=trouble, failures=failures, empty_runs=empty_runs) == word


RUNS = {"F": FAILED, "e": EMPTY, "n": NOT_MODIFIED, "g": FINISHED}
"""Failed, empty, not modified, good."""


def alerts(runs: str) -> list[str]:
    """What is told about a site with these runs, each with the number of the run that it follows."""
    history, told = KNOWN, []
    for number, run in enumerate(runs, 1):
        verdict = judge(RUNS[run], history, new=0, now=NOW, rand=0)
        if words := alert(history.trouble, verdict.trouble):
            told.append(f"{number}: {words}")
        history = replace(
            history,
            failures=verdict.failures,
            empty_runs=verdict.empty_runs,
            trouble=verdict.trouble,
            good_runs=verdict.good_runs,
            # The last good run has left the history long ago.
            saw_items=len(told) == 0,
        )
    return told


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ("gFFgFFg", []),
        ("FFFFFFF", ["3: site broken"]),
        ("FFFgg", ["3: site broken", "5: site recovered"]),
        # One good run is no recovery, so a site that goes to and fro is told of once.
        ("FFFgFFFgFFFg", ["3: site broken"]),
        ("FFFnn", ["3: site broken", "5: site recovered"]),
        ("ee", ["2: site suspect"]),
        ("nnenne", ["6: site suspect"]),
        ("eeeeeeeeee", ["2: site suspect"]),
        # 304 means that the page is as empty as it was.
        ("eennnn", ["2: site suspect"]),
        ("eegg", ["2: site suspect", "4: site recovered"]),
        ("eeFFFee", ["2: site suspect", "5: site broken", "6: site suspect"]),
        ("gegegege", []),
    ],
)
def test_one_alert_when_a_site_turns_bad_and_one_when_it_recovers(runs: str, told: list[str]) -> None:
    assert alerts(runs) == told


def test_a_board_that_says_that_it_is_empty_is_a_baseline() -> None:
    assert judge(replace(EMPTY, is_empty=True), NEW, new=0, now=NOW, rand=0).baseline_done
    assert not judge(replace(FAILED, items_seen=0, is_empty=True), NEW, new=0, now=NOW, rand=0).baseline_done


def test_changed_ids_are_told_once_with_what_to_set_until_they_stay_for_two_crawls() -> None:
    changed = judge(FINISHED, KNOWN, new=0, now=NOW, rand=0, ids_changed="set ignore_query")
    assert (changed.trouble, changed.good_runs, changed.advice) == ("ids change", 0, "set ignore_query")
    history = replace(KNOWN, trouble="ids change", advice="set ignore_query")
    # An answer of 304 says nothing of the ids.
    for figures, good_runs in ((NOT_MODIFIED, 0), (FINISHED, 1)):
        verdict = judge(figures, history, new=0, now=NOW, rand=0)
        assert (verdict.trouble, verdict.good_runs, verdict.advice) == ("ids change", good_runs, "set ignore_query")
    verdict = judge(FINISHED, replace(history, good_runs=1), new=0, now=NOW, rand=0)
    assert (verdict.trouble, verdict.advice) == (None, None)
    assert alert(None, "ids change") == "the ids of a site's posts change"
