"""Whether a new post is as old as its date says. Pure.

Where a page shows its newest posts first, a post that stands above one which was there at the last crawl came after
that crawl, whatever its date says: a wrong date, or one that was read wrongly, must not silence it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

TOLERANCE: Final = timedelta(days=1)
"""A day without a time begins hours before its posts, and zones are mistaken for others."""
_FEWEST: Final = 3
"""So many dated posts, at least, show an order."""
_OUT_OF_ORDER: Final = 4
"""One step in so many may go the other way: a post that was put off, or one that is pinned."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A post of a page."""

    id: int
    is_new: bool
    published_at: datetime | None


def wrongly_old(shown: Sequence[Shown], *, last_crawl: datetime | None) -> list[int]:
    """The new posts of a page, in its order, that cannot be as old as their dates say.

    `last_crawl` is when the site was last crawled well; None when it never was, so that nothing is known.
    """
    if last_crawl is None:
        return []
    in_order = _newest_first(shown)
    doubted: list[int] = []
    for place, post in enumerate(shown):
        if not post.is_new or post.published_at is None or post.published_at >= last_crawl - TOLERANCE:
            continue
        below = [each for each in shown[place + 1 :] if not each.is_new]
        # Pinned posts on top are in no order; then that of the posts below counts.
        if below and (in_order or _newest_first(below)):
            doubted.append(post.id)
    return doubted


def _newest_first(shown: Sequence[Shown]) -> bool:
    """Whether the posts that were there before stand in the order of their dates, the newest first."""
    moments = [post.published_at for post in shown if not post.is_new and post.published_at is not None]
    if len(moments) < _FEWEST:
        return False
    rising = sum(below - above > TOLERANCE for above, below in pairwise(moments))
    falling = sum(above > below for above, below in pairwise(moments))
    return falling > 0 and rising * _OUT_OF_ORDER <= len(moments) - 1
