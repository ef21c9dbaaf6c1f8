"""Dates that contradict their place on a page: read wrongly, or written wrongly. Pure.

A board or feed shows its newest posts first; some show them last. A row whose date does not fit between its
neighbours' does not stand where a post of that date stands, so its date is doubted: by such a date no post is silenced.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from spiders.items import PostItem

_FEWEST: Final = 3
"""Of two dates nobody can say which is wrong."""
_TOLERANCE_S: Final = timedelta(days=1).total_seconds()
"""Days without a time, and zones, put neighbours out of order by hours."""
_RISING: Final = 2
"""So many more rows must be newer than the one above them than older, for a page to show its newest last."""


def without_doubtful_dates(posts: Sequence[PostItem]) -> tuple[PostItem, ...]:
    """The posts, in the page's order, without the dates that contradict it. Pinned posts stand where they want."""
    doubted = doubtful([None if post.pinned else post.published_at for post in posts])
    return tuple(replace(post, published_at=None) if place in doubted else post for place, post in enumerate(posts))


def doubtful(moments: Sequence[datetime | None]) -> frozenset[int]:
    """The places of the dates that do not fit between the others.

    There are none where more than a quarter does not fit: a list by relevance or by the last answer is in no order of
    dates, and its order says nothing of them.
    """
    dated = [(place, moment.timestamp()) for place, moment in enumerate(moments) if moment is not None]
    if len(dated) < _FEWEST:
        return frozenset()
    steps = [later > earlier for (_, earlier), (_, later) in pairwise(dated) if later != earlier]
    rises = 2 * sum(steps) >= len(steps) + _RISING
    keys = [time if rises else -time for _, time in dated]
    length, sure = _in_order(keys)
    if len(keys) - length > max(1, len(keys) // 4):
        return frozenset()
    # A date is out of place when one above it stands too far behind it, or one below it too far before it.
    above = _extremes(keys, sure)
    below = [-key for key in reversed(list(_extremes([-key for key in reversed(keys)], sure[::-1])))]
    return frozenset(
        dated[number][0]
        for number, (key, most, least) in enumerate(zip(keys, above, below, strict=True))
        if not sure[number] and (key < most - _TOLERANCE_S or key > least + _TOLERANCE_S)
    )


def _in_order(keys: Sequence[float]) -> tuple[int, list[bool]]:
    """The length of the longest ascending subsequences, and for each key whether it belongs to all of them."""
    ending = _lengths(keys)
    starting = _lengths([-key for key in reversed(keys)])[::-1]
    longest = max(ending)
    may_belong = [before + after - 1 == longest for before, after in zip(ending, starting, strict=True)]
    rivals = Counter(before for before, may in zip(ending, may_belong, strict=True) if may)
    return longest, [may and rivals[before] == 1 for before, may in zip(ending, may_belong, strict=True)]


def _lengths(keys: Iterable[float]) -> list[int]:
    """For each key, the length of the longest ascending subsequence that ends with it."""
    lowest_ends: list[float] = []
    lengths: list[int] = []
    for key in keys:
        place = bisect_right(lowest_ends, key)
        lowest_ends[place : place + 1] = [key]
        lengths.append(place + 1)
    return lengths


def _extremes(keys: Sequence[float], sure: Sequence[bool]) -> list[float]:
    """For each key the largest before it, looked for back to the last one that is sure."""
    found: list[float] = []
    most = float("-inf")
    for key, is_sure in zip(keys, sure, strict=True):
        found.append(most)
        most = key if is_sure else max(most, key)
    return found
