"""Which of a site's stored posts stand on a page that looks different now: by their titles, dates and order. Pure.

A title that one stored post and one post of the page have says that they are the same, unless their dates contradict
each other. A title that comes again ("공지") says it together with the date, or with its place among the others. What
is then left is new where its date or its place says so; of the rest that is not sure.
"""

import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from pipeline.basics.date_readings import contradict
from spiders.items import PostItem

_DAY: Final = timedelta(days=1)
_APART: Final = timedelta(hours=49)
"""One of two designs may say the day alone, and the other one how many days ago that was."""
_KEEPS_ORDER: Final = 0.8
_CUT: Final = ("…", "...")
_CUT_LEAST: Final = 8
"""So many characters of a cut title say which one it is."""


@dataclass(frozen=True, kw_only=True)
class KnownPost:
    """A stored post."""

    id: int
    external_id: str
    title: str
    published_at: datetime | None = None


def title_key(title: str) -> str:
    """A title as it is compared: without capitals and superfluous blanks. Its digits stay: they tell posts apart."""
    return " ".join(unicodedata.normalize("NFC", title).casefold().split())


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """What of a page is known."""

    # The places of posts on the page, from its top, each with the stored post that it is.
    known: Mapping[int, KnownPost]
    # Places of the posts that the site has surely posted since.
    new: frozenset[int]
    # Pairs whose titles are the same and whose dates contradict each other.
    contradicting: int
    # Places of posts that may be known or new: their titles are known, but they stand elsewhere and have no date.
    astray: frozenset[int] = frozenset()


def recognise(known: Sequence[KnownPost], posts: Sequence[PostItem], now: datetime) -> Recognition:
    """Find the stored posts (in the order in which the page showed them, newest first) among a page's posts."""
    found = _Pairing(known, posts, now)
    return Recognition(
        known={place: known[rank] for place, rank in sorted(found.pairs.items())},
        new=frozenset(place for place in range(len(posts)) if found.is_new(place)),
        contradicting=len(found.contradicting),
        astray=frozenset(found.astray),
    )


class _Paired(NamedTuple):
    """A way to pair posts in their order; the least is the best."""

    # Less for each pair.
    left: int
    apart: timedelta
    pairs: tuple[tuple[int, int], ...]


class _Pairing:
    """Pairs of places on the page and ranks among the known posts, the surest first."""

    def __init__(self, known: Sequence[KnownPost], posts: Sequence[PostItem], now: datetime) -> None:
        self._known = known
        self._posts = posts
        self._now = now
        self.pairs: dict[int, int] = {}
        # Places of posts whose title one known post has, with another date.
        self.contradicting: set[int] = set()
        # Places of posts whose titles are known, from another place.
        self.astray: set[int] = set()
        ranks, places = defaultdict(list), defaultdict(list)
        for rank, old in enumerate(known):
            ranks[title_key(old.title)].append(rank)
        for place, post in enumerate(posts):
            places[title_key(post.title)].append(place)
        repeated = {key for key in places if key in ranks and len(places[key]) + len(ranks[key]) > 2}
        single = [(places[key][0], ranks[key][0]) for key in places.keys() & ranks.keys() - repeated]
        cut = _groups_of_cut(places, ranks)
        single += [(here[0], there[0]) for here, there in cut if len(here) == len(there) == 1]
        self._is_exact = self._dates_agree(single)
        for place, rank in single:
            # Where the id is the same too, the date was read wrongly, now or before.
            if self._differ(place, rank) and posts[place].external_id != known[rank].external_id:
                self.contradicting.add(place)
            else:
                self.pairs[place] = rank
        self._anchors = _rising(sorted(self.pairs.items()))
        self._leave_out_of_order()
        for here, there in [*((places[key], ranks[key]) for key in sorted(repeated)), *cut]:
            self._pair_repeated(
                [place for place in here if place not in self.pairs],
                [rank for rank in there if rank not in self.pairs.values()],
            )

    def _dates_agree(self, pairs: Sequence[tuple[int, int]]) -> bool:
        """Whether the page says dates as exactly as before: "3 weeks ago" it does not."""
        dates = [(self._posts[place].published_at, self._known[rank].published_at) for place, rank in pairs]
        apart = [abs(date - before) for date, before in dates if date and before]
        return sum(each < _APART for each in apart) > _KEEPS_ORDER * len(apart)

    def _differ(self, place: int, rank: int) -> bool:
        return self._contradict(self._posts[place].published_at, self._known[rank].published_at)

    def _contradict(self, date: datetime | None, before: datetime | None) -> bool:
        if self._is_exact:
            return date is not None and before is not None and abs(date - before) >= _APART
        return contradict(date, before, self._now, least=_APART)

    def _leave_out_of_order(self) -> None:
        """Give up pairs that nothing but a title shows, and that stand elsewhere on a page that keeps its order.

        The post may have been pinned since, or another one may have its title: that is not sure.
        """
        if len(self._anchors) < _KEEPS_ORDER * len(self.pairs):
            return
        for place, rank in self.pairs.items() - set(self._anchors):
            post = self._posts[place]
            if not post.pinned and None in (post.published_at, self._known[rank].published_at):
                del self.pairs[place]
                self.astray.add(place)

    def _pair_repeated(self, places: Sequence[int], ranks: Sequence[int]) -> None:
        dates = [
            *(self._posts[place].published_at for place in places),
            *(self._known[rank].published_at for rank in ranks),
        ]
        if all(dates):
            self._pair_by_date(places, ranks)
        else:
            self._pair_by_order(places, ranks)

    def _pair_by_date(self, places: Sequence[int], ranks: Sequence[int]) -> None:
        """Pair as many as possible in their order, the nearest dates; then what stands elsewhere, as pinned ones do."""

        def apart(place: int, rank: int) -> timedelta:
            date, before = self._posts[place].published_at, self._known[rank].published_at
            return abs(date - before) if date and before else timedelta.max

        # For each number of ranks: how many are not paired, how far the dates are apart, and the pairs.
        best: list[_Paired] = [_Paired(0, timedelta(0), ())] * (len(ranks) + 1)
        for place in places:
            row = [best[0]]
            for at, rank in enumerate(ranks):
                found = [row[-1], best[at + 1]]
                if not self._differ(place, rank):
                    before = best[at]
                    found.append(
                        _Paired(before.left - 1, before.apart + apart(place, rank), (*before.pairs, (place, rank)))
                    )
                row.append(min(found))
            best = row
        self.pairs |= best[-1].pairs
        taken = {rank for _, rank in best[-1].pairs}
        for place in (place for place in places if place not in self.pairs):
            rest = [rank for rank in ranks if rank not in taken and not self._differ(place, rank)]
            if rest:
                self.pairs[place] = min(rest, key=lambda rank: apart(place, rank))
                taken.add(self.pairs[place])

    def _pair_by_order(self, places: Sequence[int], ranks: Sequence[int]) -> None:
        """Pair what stands beside the same post as before, and as many between two as before; the rest is astray."""
        left = sorted(ranks)
        for place in sorted(places, key=lambda place: (not self._posts[place].pinned, -place)):
            beside = [rank for rank in left if self._are_beside(place, rank)]
            if len(beside) == 1 and not self._differ(place, beside[0]):
                self.pairs[place] = beside[0]
                left.remove(beside[0])
        groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for place in sorted(place for place in places if place not in self.pairs):
            groups[self._between(place)].append(place)
        for (above, below), here in groups.items():
            there = [rank for rank in left if above < rank < below]
            if len(here) == len(there) and above >= 0 and below < len(self._known):
                self.pairs |= zip(here, there, strict=True)
            elif there:
                self.astray.update(here)

    def _between(self, place: int) -> tuple[int, int]:
        """Ranks of the known posts above and below a place."""
        above = [rank for at, rank in self._anchors if at < place]
        below = [rank for at, rank in self._anchors if at > place]
        return max(above, default=-1), min(below, default=len(self._known))

    def _are_beside(self, place: int, rank: int) -> bool:
        if place == rank == 0:
            return self._posts[place].pinned
        return self.pairs.get(place - 1) == rank - 1 or self.pairs.get(place + 1) == rank + 1

    def is_new(self, place: int) -> bool:
        """Whether a post was surely posted after all known ones: later by its date, or above them and like them."""
        post = self._posts[place]
        if (
            place in self.pairs
            or place in self.astray
            or not self.pairs
            or urlsplit(post.url).netloc not in self._hosts
        ):
            return False
        if post.published_at is not None and self._latest is not None:
            if self._contradict(post.published_at, self._latest) and place not in self.contradicting:
                return post.published_at > self._latest
        elif self._is_dated and post.published_at is None:
            return False
        return place < self._first and not post.pinned

    @cached_property
    def _first(self) -> int:
        """The place of the newest known post; above it stand others that are pinned, marked as such or not."""
        dates = {place: self._known[rank].published_at for place, rank in self.pairs.items()}
        latest = max(filter(None, dates.values()), default=None)
        newest = [place for place, date in dates.items() if date and latest and latest - date < _APART]
        return min(newest or [place for place, _ in self._anchors if not self._posts[place].pinned], default=0)

    @cached_property
    def _hosts(self) -> set[str]:
        return {urlsplit(self._posts[place].url).netloc for place in self.pairs}

    @cached_property
    def _latest(self) -> datetime | None:
        dates = (old.published_at for old in self._known)
        return max((date for date in dates if date and date <= self._now + _DAY), default=None)

    @cached_property
    def _is_dated(self) -> bool:
        return 2 * sum(self._posts[place].published_at is not None for place in self.pairs) > len(self.pairs)


def _groups_of_cut(
    places: Mapping[str, Sequence[int]], ranks: Mapping[str, Sequence[int]]
) -> list[tuple[Sequence[int], Sequence[int]]]:
    """Places and ranks whose titles are the same as far as one of two designs shows them."""
    found = []
    cut = [other for other in ranks if other.endswith(_CUT)]
    for key in places.keys() - ranks.keys():
        others = [other for other in (ranks if key.endswith(_CUT) else ()) if _is_beginning(key, other)]
        others += [other for other in cut if _is_beginning(other, key)]
        if there := sorted(rank for other in others for rank in ranks[other]):
            found.append((places[key], there))
    return sorted(found)


def says_one(text: str, titles: Collection[str]) -> bool:
    """Whether a text is one of the titles (by their keys), or the beginning of one."""
    key = title_key(text)
    return key in titles or (key.endswith(_CUT) and any(_is_beginning(key, title) for title in titles))


def _is_beginning(cut: str, whole: str) -> bool:
    begun = next((cut.removesuffix(dots).rstrip() for dots in _CUT if cut.endswith(dots)), "")
    return len(begun) >= _CUT_LEAST and whole.startswith(begun)


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest part of pairs, sorted by their first numbers, in which the second ones rise too."""
    ends: list[int] = []
    chains: list[list[tuple[int, int]]] = []
    for pair in pairs:
        at = bisect_left(ends, pair[1])
        chain = [*(chains[at - 1] if at else ()), pair]
        ends[at : at + 1] = [pair[1]]
        chains[at : at + 1] = [chain]
    return chains[-1] if chains else []
