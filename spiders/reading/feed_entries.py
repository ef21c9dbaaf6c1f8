"""A feed's entries to posts: which entry is which post, when guids are missing, repeated, or mean nothing. Pure."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from spiders.items import PostItem
from spiders.params import FeedParams
from spiders.reading.identity import canonical_link, content_id, pattern_id, without_sessions
from spiders.reading.text import clean, html_text, shorten, title_text

REPEATED: Final = "repeats an earlier entry"
_OLDEST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry as the feed has it: addresses resolved, texts raw."""

    guid: str
    link: str | None
    title: str
    body: str
    author: str
    published_at: datetime | None
    title_is_markup: bool = True
    # Where a redirecting service (FeedBurner) says the link really leads.
    original_link: str | None = None
    comments: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """A post whose id may still collide with another entry's."""

    post: PostItem
    # Tells apart entries that a generator gave the same id.
    link: str


def posts_of(
    entries: Iterable[Entry], params: FeedParams, home: Collection[str], page: str
) -> tuple[tuple[PostItem, ...], tuple[tuple[str, int], ...]]:
    """The posts of a feed's entries and why the others are none.

    `home` is the site's own canonical addresses; `page` is what a reader of an entry without a link opens.
    """
    candidates: list[_Candidate] = []
    skipped: Counter[str] = Counter()
    for entry in entries:
        found = _candidate(entry, params, home, page)
        if isinstance(found, str):
            skipped[found] += 1
        else:
            candidates.append(found)
    posts: dict[str, PostItem] = {}
    for post in _told_apart_also_by_title(candidates):
        if post.external_id in posts:
            skipped[REPEATED] += 1
        else:
            posts[post.external_id] = post
    opened = without_sessions([post.url for post in posts.values()])
    kept = tuple(replace(post, url=url) for post, url in zip(posts.values(), opened, strict=True))
    return kept, tuple(skipped.most_common())


def _candidate(entry: Entry, params: FeedParams, home: Collection[str], page: str) -> _Candidate | str:
    body = html_text(entry.body) if entry.body else ""
    title = title_text(entry.title, markup=entry.title_is_markup)
    for pattern in (_compiled(each.removeprefix("re:")) for each in params.strip):
        title = clean(pattern.sub(" ", title))
    if not title and not body and not entry.link:
        return "empty entry"
    url = (entry.comments if params.link == "comments" else None) or entry.link or entry.comments or page
    for each in params.skip:
        subject, _, pattern_text = each.partition(":")
        if _compiled(pattern_text).search(title if subject == "title" else url):
            return f"left out by skip {each!r}"
    external_id, link = _identity(entry, params, home, title, body)
    post = PostItem(
        external_id=external_id,
        url=url,
        # An entry without a title is a short note: its beginning says what it is.
        title=title or shorten(body, 80) or url,
        body=body,
        author=title_text(entry.author),
        published_at=entry.published_at,
    )
    return _Candidate(post=post, link=link)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _identity(entry: Entry, params: FeedParams, home: Collection[str], title: str, body: str) -> tuple[str, str]:
    """The entry's id, and what tells it from another entry with the same id."""
    links = {
        "link": entry.original_link or entry.link or "",
        "comments": entry.comments or "",
    }
    link = _canonical(links["link"], params)
    if params.id_pattern:
        for text in (entry.guid, *links.values()):
            if text and (own_id := pattern_id(_compiled(params.id_pattern), text)):
                return f"id:{own_id}", link
    chosen = links.get(params.id, "")
    if params.id in {"auto", "guid"} and entry.guid and _canonical(entry.guid, params) not in home:
        return _canonical(entry.guid, params), link
    if (identity := _canonical(chosen or links["link"], params)) and identity not in home:
        return identity, title
    # All entries of some feeds link to the front page: then only their words tell them apart.
    return content_id(title, body), ""


def _canonical(text: str, params: FeedParams) -> str:
    """A guid or link made canonical; a guid that is no address stays as it is."""
    if not text.lower().startswith(("http://", "https://")):
        return clean(text)
    return canonical_link(text, ignore_query=params.ignore_query, list_state=False, positions=False)


def _told_apart_also_by_title(candidates: Sequence[_Candidate]) -> Iterable[PostItem]:
    """The posts in order; where a generator gave most of them one id and one link, their titles tell them apart."""
    posts = list(_told_apart(candidates))
    titles: dict[str, set[str]] = {}
    for post in posts:
        titles.setdefault(post.external_id, set()).add(post.title)
    alike = sum(len(titles[post.external_id]) > 1 for post in posts)
    if 2 * alike > len(posts):
        return _told_apart([_Candidate(post=post, link=post.title) for post in posts])
    return posts


def _told_apart(candidates: Sequence[_Candidate]) -> Iterable[PostItem]:
    """The posts in order, those with one id but different links (or, without guids, titles) told apart.

    The oldest entry of a repeated id keeps it, as it had it before the others came; a later one gets its link (or
    title) added. So an entry's id does not change when others with its guid come and go in front of it.
    """
    oldest: dict[str, _Candidate] = {}
    for candidate in candidates:
        key = candidate.post.external_id
        known = oldest.get(key)
        if known is None or _age(candidate) <= _age(known):
            oldest[key] = candidate
    for candidate in candidates:
        keeper = oldest[candidate.post.external_id]
        if candidate.link in {keeper.link, ""}:
            yield candidate.post
        else:
            yield replace(candidate.post, external_id=f"{candidate.post.external_id} {candidate.link}")


def _age(candidate: _Candidate) -> datetime:
    return candidate.post.published_at or _OLDEST
