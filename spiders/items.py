"""What every spider yields: a post, the same from a board and from a feed."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from spiders.reading.text import BODY_LENGTH, TITLE_LENGTH, clean, shorten

EXTERNAL_ID_LENGTH: Final = 512
"""Characters of `posts.external_id` that the storage keeps and indexes."""

AUTHOR_LENGTH: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class PostItem:
    """A post as a page or a feed shows it. Text is cleaned and bounded here, whoever made the item."""

    # Says which post it is, for as long as the site lives: a feed's guid, a site's own id, or the canonical link.
    external_id: str
    # Absolute address for a reader to open.
    url: str
    # One line of plain text, at most 500 characters.
    title: str
    # Excerpt in plain text, at most 2,000 characters; empty where the page shows none.
    body: str = ""
    author: str = ""
    # Aware; None where the page shows no date, or one that cannot be read or lies in the future.
    published_at: datetime | None = None
    # Stands at the top for reasons other than its age.
    pinned: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        """Clean and bound every text, and refuse a date without a time zone."""
        put = object.__setattr__
        put(self, "external_id", bounded_id(self.external_id))
        put(self, "url", clean(self.url))
        put(self, "title", shorten(clean(self.title), TITLE_LENGTH))
        put(self, "body", shorten(clean(self.body), BODY_LENGTH))
        put(self, "author", shorten(clean(self.author), AUTHOR_LENGTH))
        if self.published_at is not None and self.published_at.tzinfo is None:
            raise ValueError(f"published_at has no time zone: {self.published_at!r}")


def bounded_id(text: str) -> str:
    """An external id of at most 512 characters; a longer one becomes "sha256:" and its digest.

    Characters that a database cannot keep (NUL, lone surrogates) are dropped first, the same way each time.
    """
    text = clean(text)
    if len(text) <= EXTERNAL_ID_LENGTH:
        return text
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
