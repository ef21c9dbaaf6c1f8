"""What the rows of one page hold, once they are read: which rows are one post, and which cannot be told apart. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Generic

from spiders.items import PostItem
from spiders.reading.addresses import PLAIN, Scheme, numbered_form, same_title, telling_noise
from spiders.reading.identity import without_sessions
from spiders.reading.row_reader import Reader, Row, RowSkippedError

REPEATED: Final = "repeats an earlier row"
SHARED: Final = "has the id of rows with other titles"


@dataclass(frozen=True, kw_only=True)
class ListingPage:
    """What one page of a board holds."""

    # Each post once, in the page's order; a pinned post that stands again below is one post.
    posts: tuple[PostItem, ...]
    # Address of the next page, or None.
    next_url: str | None
    # Elements that the row selector matched. Zero means that the selector or the page is wrong.
    rows: int
    # Why rows yielded no post, and how many of each kind.
    skipped: tuple[tuple[str, int], ...]
    # What the bytes were read as.
    encoding: str = ""
    # A sentence for the site's owner when the page yields nothing, or rows that cannot be told apart, naming the
    # parameter to look at; else "".
    problem: str = ""
    # How the page's addresses name posts; the next pages of the same crawl are read alike.
    scheme: Scheme = PLAIN
    # Whether most rows cannot be told apart, so that new posts would not be seen.
    is_ambiguous: bool = False
    # Whether there are no posts because the board has none, and not because the definition finds none.
    is_empty: bool = False


@dataclass(frozen=True, kw_only=True)
class ReadPosts:
    """The posts of a page's rows."""

    # Each once, in the page's order, with an address for readers to open.
    posts: tuple[PostItem, ...]
    # Why rows yielded no post.
    skipped: Counter[str]
    scheme: Scheme
    is_ambiguous: bool


def read_posts(reader: Reader[Row, Any], rows: Sequence[Row]) -> ReadPosts:
    """Read the rows; what ListingPage says of its fields holds here."""
    found = _read_apart(reader, rows)
    posts: dict[str, PostItem] = {}
    skipped = found.skipped
    for post in found.posts:
        if found.is_ambiguous and post.external_id in found.shared:
            skipped[SHARED] += 1
        elif post.external_id in posts:
            skipped[REPEATED] += 1
            posts[post.external_id] = _completed(posts[post.external_id], post)
        else:
            posts[post.external_id] = post
    opened = without_sessions([post.url for post in posts.values()])
    return ReadPosts(
        posts=tuple(replace(post, url=each) for post, each in zip(posts.values(), opened, strict=True)),
        skipped=skipped,
        scheme=found.reader.scheme,
        is_ambiguous=found.is_ambiguous,
    )


@dataclass(frozen=True, kw_only=True)
class _Found(Generic[Row]):
    """The posts of a page's rows, which may share an id still."""

    reader: Reader[Row, Any]
    posts: Sequence[PostItem]
    skipped: Counter[str]

    @cached_property
    def shared(self) -> dict[str, list[PostItem]]:
        """The posts of each id that rows with different titles have."""
        groups: dict[str, list[PostItem]] = {}
        for post in self.posts:
            groups.setdefault(post.external_id, []).append(post)
        return {
            key: group
            for key, group in groups.items()
            if len(group) > 1 and not all(same_title(group[0].title, post.title) for post in group)
        }

    @property
    def is_ambiguous(self) -> bool:
        """Whether most rows have the id of rows with other titles."""
        return _are_most([post for group in self.shared.values() for post in group], self.posts)

    def identified_by(self, scheme: Scheme) -> "_Found[Row]":
        """The same posts under the ids that a scheme gives them."""
        ignored = self.reader.params.ignore_query
        posts = [replace(post, external_id=scheme.identity(post.url, ignored)) for post in self.posts]
        return _Found(reader=replace(self.reader, scheme=scheme), posts=posts, skipped=self.skipped)


def ambiguous_words(count: int, rows: int, what: str) -> str:
    """That so many rows have the same of what tells posts apart."""
    return f"{count} of {rows} rows have the same {what} though their titles differ, so new posts would not be seen"


def _are_most(some: Sequence[PostItem], posts: Sequence[PostItem]) -> bool:
    return 2 * len(some) > len(posts)


def _read(reader: Reader[Row, Any], rows: Sequence[Row]) -> _Found[Row]:
    posts: list[PostItem] = []
    skipped: Counter[str] = Counter()
    for row in rows:
        try:
            posts.append(reader.read(row))
        except RowSkippedError as reason:
            skipped[str(reason)] += 1
    return _Found(reader=reader, posts=posts, skipped=skipped)


def _read_apart(reader: Reader[Row, Any], rows: Sequence[Row]) -> _Found[Row]:
    """Read the rows so that those with different titles and different addresses are different posts."""
    found = _read(reader, rows)
    if reader.params.id:
        return found
    if form := numbered_form([post.url for post in found.posts]):
        found = found.identified_by(replace(reader.scheme, numbered=form))
    if not found.shared:
        return found
    ignored = reader.params.ignore_query
    groups = [[post.url for post in group] for group in found.shared.values()]
    if kept := telling_noise(groups, found.reader.scheme, ignored):
        scheme = found.reader.scheme
        found = found.identified_by(replace(scheme, kept=scheme.kept | kept))
    if not found.is_ambiguous:
        return found
    # An address that rows with different titles share is none of theirs: perhaps their scripts open another.
    again = _read(replace(found.reader, shared=frozenset(group[0].url for group in found.shared.values())), rows)
    return again if _are_most(again.posts, found.posts) and not again.is_ambiguous else found


def _completed(first: PostItem, again: PostItem) -> PostItem:
    """The first sighting, with what only the second one says."""
    return replace(
        first,
        body=first.body or again.body,
        author=first.author or again.author,
        published_at=first.published_at or again.published_at,
    )
