"""What a drill showed: from the facts to the counts. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

Pair = tuple[int, str]
"""The number of a post, and the token of a phone."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One notification on one phone's screen."""

    # One, or those of a digest; none: it is of no post of the drill.
    posts: tuple[int, ...]
    token: str = field(repr=False)
    # How often it was sent; above 1 it replaced itself.
    sends: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """A crawl from its begin to its end, as the database has it; None while it lasts."""

    site: str
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known when nothing is owed any more, or when nobody wanted to wait longer."""

    # What should be shown, by an account of its own.
    expected: frozenset[Pair]
    shown: Sequence[Shown]
    # How often the gateway said that a token is dead, and how many devices the database has as dead for it.
    dead_refused: int
    dead_known: int
    # The attempts that the database recorded for what was sent more than once.
    recorded: Mapping[Pair, int]
    # Numbers of the posts that appeared, and of those that were stored.
    appeared: frozenset[int]
    stored: frozenset[int]
    runs: Sequence[Run]
    # Crawl processes that still ran beside those of the next crawler.
    strays: int = 0
    # Sends in the hands of notifiers that were killed or could not record them, at most.
    in_flight: int = 0
    # Phones that are owed nothing: the vendor refused them, or they were removed. What is shown there is once still.
    excused: frozenset[str] = frozenset()
    # Notifications that were sent later after the healing than anybody may have to wait.
    late: int = 0
    # Answers of the API that cannot be.
    wrong_answers: int = 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The counts. Those down to `unexplained` are broken promises when they are not 0."""

    lost: int
    shown_twice: int
    # Pushes that a phone got and should not have: for a paused user, a former owner, or without a subscription.
    sent_to_others: int
    posts_missed: int
    overlaps: int
    late: int
    wrong_answers: int
    # Sends that were repeated, are not explained by an answer that was lost, and exceed what was in flight.
    unexplained: int
    # Sends of what a phone had already, under the same tag.
    sent_again: int
    # Of these: recorded attempts whose answer the gateway did not send.
    answers_lost: int
    in_flight: int
    # Sends to dead tokens beyond the first one, from which that is learned: those of other posts that were on their
    # way, and of posts after a kill before the record.
    sent_to_dead: int
    # Notifications of several posts, for people who say when they want to hear.
    digests: int

    @property
    def failed(self) -> bool:
        """Whether the drill found a broken promise."""
        promises = (self.lost, self.shown_twice, self.sent_to_others, self.posts_missed, self.overlaps)
        return any((*promises, self.late, self.wrong_answers, self.unexplained))


def judge(facts: Facts) -> Verdict:
    """Compare what the phones show with what they should."""
    counts = Counter((post, shown.token) for shown in facts.shown for post in shown.posts or (None,))
    again, answers_lost = repeats(facts)
    return Verdict(
        lost=len(lost(facts)),
        shown_twice=sum(count - 1 for pair, count in counts.items() if pair in facts.expected),
        sent_to_others=sum(count for pair, count in counts.items() if pair not in facts.expected),
        posts_missed=len(facts.appeared - facts.stored),
        overlaps=overlaps(facts.runs) + facts.strays,
        late=facts.late,
        wrong_answers=facts.wrong_answers,
        unexplained=max(0, again - answers_lost - facts.in_flight),
        sent_again=again,
        answers_lost=answers_lost,
        in_flight=facts.in_flight,
        sent_to_dead=max(0, facts.dead_refused - facts.dead_known),
        digests=sum(len(shown.posts) > 1 for shown in facts.shown),
    )


def lost(facts: Facts) -> list[Pair]:
    """What should be shown and is not."""
    shown = {(post, shown.token) for shown in facts.shown for post in shown.posts}
    return sorted(pair for pair in facts.expected - shown if pair[1] not in facts.excused)


def repeats(facts: Facts) -> tuple[int, int]:
    """How often something was sent again, and how many of these sends followed a recorded attempt without answer.

    An attempt whose sender died is in no record: so what was sent more often than was recorded was in flight at a
    kill, or could not be recorded because the database was away.
    """
    again = answers_lost = 0
    for shown in facts.shown:
        # Of a phone that was removed there is no record any more.
        if shown.sends < 2 or shown.token in facts.excused:
            continue
        again += shown.sends - 1
        # Of a digest, under the post in whose name it was sent.
        recorded = max((facts.recorded.get((post, shown.token), 1) for post in shown.posts), default=1)
        answers_lost += min(shown.sends, recorded) - 1
    return again, answers_lost


def overlaps(runs: Iterable[Run]) -> int:
    """How many crawls of a site began before its last one had ended."""
    by_site: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_site[run.site].append(run)
    count = 0
    for of_site in by_site.values():
        in_order = sorted(of_site, key=lambda run: run.started_at)
        for earlier, later in pairwise(in_order):
            count += earlier.finished_at is None or later.started_at < earlier.finished_at
    return count
