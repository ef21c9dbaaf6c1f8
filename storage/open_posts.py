"""Posts that somebody still has to act upon, found by the small index over them."""

from sqlalchemy import ColumnElement, and_, text

from storage.models import FANOUT_IS_OPEN, Post


def fanout_is(state: str) -> ColumnElement[bool]:
    """Whether a post is in this state, which is one of those that are open.

    The index's own condition stands beside it: SQLite takes a partial index only for a query that says its condition
    word by word, and would read all posts otherwise.
    """
    return and_(text(f"posts.{FANOUT_IS_OPEN}"), Post.fanout == state)
