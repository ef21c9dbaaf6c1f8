"""What a drill showed: from the facts to the counts. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

Pair = tuple[int, str]
"""The number of a post, and the token of a phone."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One message, as the gateway took it."""

    # How often the post had been edited by the text that it says.
    revision: int = 0
    rings: bool = True
    # It says itself that it replaces what is shown.
    replaces: bool = False


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One notification on one phone's screen."""

    # One, or those of a digest; none: it is of no post of the drill.
    posts: tuple[int, ...]
    token: str = field(repr=False)
    # What was sent for it, in order; each replaced the one before.
    sent: tuple[Sent, ...]


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
    # The attempts that the database recorded for what was sent more than once, beyond the first with each text.
    repeated: Mapping[Pair, int]
    # Numbers of the posts that appeared, and of those that were stored.
    appeared: frozenset[int]
    stored: frozenset[int]
    runs: Sequence[Run]
    # Crawl processes that still ran beside those of the next crawler.
    strays: int = 0
    # Sends in the hands of notifiers that were killed or could not record them, at most.
    in_flight: Mapping[Pair, int] = field(default_factory=dict)
    # How often those posts were edited that were, where edits replace what phones show.
    revisions: Mapping[int, int] = field(default_factory=dict)
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
    # Messages about an edit that made a sound: all but the first, and its repeats, which say the newest text.
    edits_rang: int
    # Phones that show an older text than the post's site in the end, or did after a newer one.
    older_text: int
    # Edits of which a phone got the text again, and neither an answer that was lost nor a kill explains that.
    edits_twice: int
    # Sends that were repeated, are not explained by an answer that was lost, and exceed what was in flight.
    unexplained: int
    # Messages that took an edit to a phone, without the repeats.
    edits_shown: int
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
        edits = (self.edits_rang, self.older_text, self.edits_twice)
        return any((*promises, self.late, self.wrong_answers, *edits, self.unexplained))


def judge(facts: Facts) -> Verdict:
    """Compare what the phones show with what they should."""
    counts = Counter((post, shown.token) for shown in facts.shown for post in shown.posts or (None,))
    repeated = repeats(facts)
    texts = [each for each in facts.shown if len(each.posts) == 1 and each.token not in facts.excused]
    return Verdict(
        lost=len(lost(facts)),
        shown_twice=sum(count - 1 for pair, count in counts.items() if pair in facts.expected),
        sent_to_others=sum(count for pair, count in counts.items() if pair not in facts.expected),
        posts_missed=len(facts.appeared - facts.stored),
        overlaps=overlaps(facts.runs) + facts.strays,
        late=facts.late,
        wrong_answers=facts.wrong_answers,
        edits_rang=sum(rang(each.sent) for each in facts.shown),
        older_text=sum(is_old(each.sent, facts.revisions.get(each.posts[0], 0)) for each in texts),
        edits_twice=repeated.edits,
        unexplained=repeated.unexplained,
        edits_shown=sum(sum(sent.replaces for sent in each.sent) for each in facts.shown) - repeated.of_edits,
        sent_again=repeated.again,
        answers_lost=repeated.answers_lost,
        in_flight=sum(facts.in_flight.values()),
        sent_to_dead=max(0, facts.dead_refused - facts.dead_known),
        digests=sum(len(shown.posts) > 1 for shown in facts.shown),
    )


def lost(facts: Facts) -> list[Pair]:
    """What should be shown and is not, or came only to replace something."""
    told = {(post, shown.token) for shown in facts.shown if not shown.sent[0].replaces for post in shown.posts}
    return sorted(pair for pair in facts.expected - told if pair[1] not in facts.excused)


def rang(sent: Sequence[Sent]) -> int:
    """How many messages to one phone about one post made a sound for an edit.

    Once an edit was shown, what made the first sound is over: whatever rings then rings for an edit.
    """
    first = next((at for at, each in enumerate(sent) if each.replaces), len(sent))
    return sum(each.rings for each in sent[first:])


def is_old(sent: Sequence[Sent], revision: int) -> bool:
    """Whether a phone shows an older text than this one, or was shown an older one after a newer."""
    return sent[-1].revision != revision or any(one.revision > two.revision for one, two in pairwise(sent))


@dataclass(kw_only=True)
class Repeats:
    """Sends of what a phone had already."""

    again: int = 0
    # Of these: recorded attempts whose answer the gateway did not send.
    answers_lost: int = 0
    # Of all: those of edits.
    of_edits: int = 0
    # Those that nothing explains: of edits, and others.
    edits: int = 0
    unexplained: int = 0


def repeats(facts: Facts) -> Repeats:
    """Count what was sent again, and what explains it, for each post on each phone.

    An attempt whose sender died is in no record: so what was sent more often than was recorded was in flight at a
    kill, or could not be recorded because the database was away.
    """
    found = Repeats()
    for shown in facts.shown:
        # Of a phone that was removed there is no record any more.
        if shown.token in facts.excused:
            continue
        firsts = max(0, sum(not sent.replaces for sent in shown.sent) - 1)
        of_edits = sum(sent.replaces and is_told(shown.sent[:at], sent.revision) for at, sent in enumerate(shown.sent))
        again = firsts + of_edits
        # Of a digest, under the post in whose name it was sent.
        pairs = [(post, shown.token) for post in shown.posts]
        answers_lost = min(again, max((facts.repeated.get(pair, 0) for pair in pairs), default=0))
        in_flight = max((facts.in_flight.get(pair, 0) for pair in pairs), default=0)
        unexplained = max(0, again - answers_lost - in_flight)
        found.again += again
        found.answers_lost += answers_lost
        found.of_edits += of_edits
        found.edits += min(of_edits, unexplained)
        found.unexplained += max(0, unexplained - of_edits)
    return found


def is_told(before: Sequence[Sent], revision: int) -> bool:
    """Whether one of these messages said the text after so many edits."""
    return any(sent.revision == revision for sent in before)


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
