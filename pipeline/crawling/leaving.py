"""Posts that were taken off their page, as against those that newer ones pushed off its end. Pure.

The rule. A page is read from its top, so whatever is newer than the last post on it must be on it too. A post that is
not there though it is newer has been taken away, or hides for a moment; so it counts as gone when three good crawls in
a row miss it. In doubt it is there: nothing is said of a page whose posts do not stand in the order in which they came
(pinned ones at its top apart), and nothing of a post that may have been older than the last one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A stored post of a site, as far as its place on the page goes."""

    id: int
    first_seen_at: datetime
    published_at: datetime | None
    # Good crawls in a row that missed it.
    missing: int = 0
    gone_at: datetime | None = None


def posts_missed(shown: Sequence[Standing], others: Collection[Standing], places: Mapping[int, int]) -> list[int]:
    """The ids of those other posts that the page would show if they were still there.

    `shown` is what it shows, from its top; `places` where the posts stood when the page was last noted, by id.
    """
    if not shown or not _is_ordered(shown):
        return []
    return [post.id for post in others if _stood_above(post, shown[-1], places)]


def _is_ordered(shown: Sequence[Standing]) -> bool:
    """Whether the posts stand in the order in which they came, the newest first, from the newest one on."""
    times = [post.first_seen_at for post in shown]
    below = times[times.index(max(times)) :]
    return below == sorted(below, reverse=True)


def _stood_above(post: Standing, last: Standing, places: Mapping[int, int]) -> bool:
    if post.first_seen_at < last.first_seen_at:
        return False
    dates = post.published_at, last.published_at
    if None not in dates and dates[0] < dates[1]:  # type: ignore[operator]
        return False
    if post.id in places and last.id in places:
        return places[post.id] < places[last.id]
    # Once it was known to have stood above an older post, it did.
    return post.missing > 0 or (post.first_seen_at > last.first_seen_at and (None in dates or dates[0] != dates[1]))
