from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scripts.drill.view import PROMISES
from scripts.testbed.verdict import Facts, Run, Sent, Shown, judge, lost, overlaps

BEGIN = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
FIRST, LOUD, EDIT, NEXT = Sent(), Sent(revision=1), *(Sent(revision=n, rings=False, replaces=True) for n in (1, 2))
GOOD = Facts(
    expected=frozenset({(1, "a"), (1, "b"), (2, "a")}),
    shown=[
        Shown(posts=(1,), token="a", sent=(FIRST,)),
        Shown(posts=(1,), token="b", sent=(FIRST,)),
        Shown(posts=(2,), token="a", sent=(FIRST,)),
    ],
    dead_refused=2,
    dead_known=2,
    repeated={},
    appeared=frozenset({1, 2}),
    stored=frozenset({1, 2}),
    runs=[],
)


def run(site: str, begin_s: float, end_s: float | None) -> Run:
    return Run(
        site=site,
        started_at=BEGIN + timedelta(seconds=begin_s),
        finished_at=None if end_s is None else BEGIN + timedelta(seconds=end_s),
    )


def test_everybody_has_everything_once():
    verdict = judge(GOOD)
    assert not verdict.failed
    assert (verdict.lost, verdict.shown_twice, verdict.sent_again, verdict.sent_to_dead) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({"shown": GOOD.shown[:2]}, "lost"),
        ({"shown": [*GOOD.shown, Shown(posts=(1,), token="a", sent=(FIRST,))]}, "shown_twice"),
        ({"late": 1}, "late"),
        ({"wrong_answers": 1}, "wrong_answers"),
        ({"shown": [*GOOD.shown, Shown(posts=(2,), token="b", sent=(FIRST,))]}, "sent_to_others"),
        ({"shown": [*GOOD.shown, Shown(posts=(), token="a", sent=(FIRST,))]}, "sent_to_others"),
        ({"stored": frozenset({1})}, "posts_missed"),
        ({"runs": [run("board", 0, 10), run("board", 9, 12)]}, "overlaps"),
        ({"strays": 1}, "overlaps"),
        ({"shown": [*GOOD.shown[:2], Shown(posts=(2,), token="a", sent=(FIRST,) * 2)]}, "unexplained"),
    ],
)
def test_each_broken_promise_is_counted_and_fails_the_drill(change, count):
    verdict = judge(replace(GOOD, **change))  # type: ignore[arg-type]
    counts = {name: getattr(verdict, name) for name in PROMISES}
    assert {name: value for name, value in counts.items() if value} == {count: 1}
    assert verdict.failed


def test_what_is_lost_is_named():
    assert lost(replace(GOOD, shown=GOOD.shown[1:])) == [(1, "a")]


@pytest.mark.parametrize(
    ("sends", "repeated", "in_flight", "again", "answers_lost", "unexplained"),
    [
        # The gateway swallowed an answer: both attempts are in the record.
        (2, 1, 0, 1, 1, 0),
        # The sender was killed between the send and the record.
        (2, 0, 1, 1, 0, 0),
        # Both happened to one phone.
        (3, 1, 1, 2, 1, 0),
        # Further attempts were recorded that the gateway never took.
        (2, 4, 0, 1, 1, 0),
        # Nobody was killed.
        (2, 0, 0, 1, 0, 1),
    ],
)
def test_a_repeated_send_is_explained_by_a_lost_answer_or_by_a_kill(
    sends, repeated, in_flight, again, answers_lost, unexplained
):
    shown = [*GOOD.shown[1:], Shown(posts=(1,), token="a", sent=(FIRST,) * sends)]
    verdict = judge(replace(GOOD, shown=shown, repeated={(1, "a"): repeated}, in_flight={(1, "a"): in_flight}))
    assert (verdict.sent_again, verdict.answers_lost, verdict.unexplained) == (again, answers_lost, unexplained)


def test_sends_to_dead_tokens_beyond_the_first_are_told_and_break_nothing():
    verdict = judge(replace(GOOD, dead_refused=5))
    assert (verdict.sent_to_dead, verdict.failed) == (3, False)


@pytest.mark.parametrize(
    ("runs", "count"),
    [
        ([run("board", 0, 10), run("board", 10, 12)], 0),
        ([run("board", 0, 10), run("feed", 5, 12)], 0),
        ([run("board", 20, 30), run("board", 0, 21)], 1),
        ([run("board", 0, None), run("board", 5, 6)], 1),
        ([run("board", 0, 10), run("board", 15, None)], 0),
    ],
)
def test_runs_of_one_site_overlap_when_one_begins_before_the_last_has_ended(runs, count):
    assert overlaps(runs) == count


def test_a_phone_that_was_removed_is_owed_nothing_and_shows_nothing_twice():
    once = replace(GOOD, shown=[Shown(posts=(2,), token="a", sent=(FIRST,) * 3)], excused=frozenset({"a", "b"}))
    assert not judge(once).failed
    assert judge(replace(once, shown=[*once.shown, *once.shown])).shown_twice == 1


def test_a_digest_shows_each_of_its_posts_and_counts_as_one_send():
    both = Shown(posts=(1, 2), token="a", sent=(FIRST,) * 2)
    facts = replace(GOOD, shown=[both, GOOD.shown[1]], repeated={(2, "a"): 1})
    assert not judge(facts).failed
    assert (judge(facts).digests, judge(facts).sent_again, judge(facts).answers_lost) == (1, 1, 1)
    assert judge(replace(facts, repeated={})).unexplained == 1
    assert judge(replace(facts, shown=[*facts.shown, GOOD.shown[0]])).shown_twice == 1
    assert judge(replace(facts, shown=[replace(both, posts=(1,)), GOOD.shown[1]])).lost == 1


@pytest.mark.parametrize(
    ("sent", "revision", "known", "counts"),
    [
        ((FIRST, EDIT, NEXT), 2, {}, {}),
        # The second text was never read, or nobody had the first.
        ((FIRST, NEXT), 2, {}, {}),
        ((LOUD,), 1, {}, {}),
        # What rings first may say the newest text when it is repeated.
        ((FIRST, LOUD), 1, {"repeated": {(2, "a"): 1}}, {}),
        ((FIRST, LOUD), 1, {}, {"unexplained": 1}),
        # An edit rings.
        ((FIRST, replace(EDIT, rings=True)), 1, {"in_flight": {(2, "a"): 1}}, {"edits_rang": 1}),
        ((FIRST, EDIT, replace(LOUD, revision=2)), 2, {"in_flight": {(2, "a"): 1}}, {"edits_rang": 1}),
        # A phone gets the same edit twice.
        ((FIRST, EDIT, EDIT), 1, {}, {"edits_twice": 1}),
        ((LOUD, EDIT), 1, {}, {"edits_twice": 1}),
        ((FIRST, EDIT, EDIT), 1, {"repeated": {(2, "a"): 1}}, {}),
        ((FIRST, EDIT, EDIT), 1, {"in_flight": {(2, "a"): 1}}, {}),
        ((FIRST, EDIT, EDIT), 1, {"in_flight": {(2, "b"): 9}, "repeated": {(1, "a"): 9}}, {"edits_twice": 1}),
        # The last edit does not come, or an older text comes after a newer one.
        ((FIRST,), 1, {}, {"older_text": 1}),
        ((FIRST, EDIT), 2, {}, {"older_text": 1}),
        ((FIRST, NEXT, EDIT, NEXT), 2, {"in_flight": {(2, "a"): 1}}, {"older_text": 1}),
        # Nobody heard of the post.
        ((EDIT,), 1, {}, {"lost": 1}),
    ],
)
def test_an_edit_replaces_silently_once_and_in_the_end(sent, revision, known, counts):
    shown = [*GOOD.shown[:2], Shown(posts=(2,), token="a", sent=sent)]
    verdict = judge(replace(GOOD, shown=shown, revisions={2: revision}, **known))
    assert {name: value for name in PROMISES if (value := getattr(verdict, name))} == counts
    assert verdict.failed == bool(counts)


def test_what_was_told_among_others_or_to_a_phone_that_is_gone_may_stay_as_it_is():
    both = replace(GOOD, shown=[Shown(posts=(1, 2), token="a", sent=(FIRST,)), GOOD.shown[1]], revisions={2: 1})
    assert not judge(both).failed
    assert not judge(replace(GOOD, revisions={2: 1}, excused=frozenset({"a"}))).failed
