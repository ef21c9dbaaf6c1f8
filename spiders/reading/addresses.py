"""What the addresses of one page's rows, compared with each other, say of which part of them means the post. Pure.

An address alone does not tell whether `searchSeq=17030` is a post's number or the state of a list. Rows that stand
side by side do: what differs where the titles differ tells them apart.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from spiders.reading.identity import FRAGMENT, PATH_SESSION, canonical_link, query_pairs

_FEWEST: Final = 3
"""So many rows, at least, must agree before their common form says something."""
_MOST: Final = 0.8
_NUMBER: Final = (
    r"(?P<number>[A-Za-z]{0,2}(?!(?:19|20)\d\d(?!\d)|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:[0-3]\d)?(?!\d))\d{3,})"
)
_SLUG: Final = r"(?P<slug>[^/]+)"
_LETTER: Final = re.compile(r"[^\W\d_]|%")
_END: Final = r"(?P<end>(?:\.\w{2,5})?/?)"
_NUMBERED: Final = {
    "1252460-slug": re.compile(rf"(?P<before>.*/){_NUMBER}(?:[-_,]|\.(?![A-Za-z0-9]{{2,5}}/?$)){_SLUG}"),
    "1252460/slug": re.compile(rf"(?P<before>.*/){_NUMBER}/{_SLUG}"),
    "slug/1252460": re.compile(rf"(?P<before>.*/){_SLUG}/{_NUMBER}{_END}"),
    "slug-1252460": re.compile(rf"(?P<before>.*/){_SLUG}[-_.,]{_NUMBER}(?:-[a-z])?{_END}"),
}
"""Forms of a path that holds the post's number and, beside it, its title, which an editor may change."""


@dataclass(frozen=True)
class Scheme:
    """How the addresses of a page name posts, beyond what canonical_link knows of all addresses."""

    # Parameters (in small letters; FRAGMENT for the fragment) that look like noise and tell the rows apart.
    kept: frozenset[str] = frozenset()
    # The key in _NUMBERED of the form that the paths have, or "".
    numbered: str = ""

    def identity(self, url: str, ignore_query: Collection[str] = ()) -> str:
        """The part of an address that says which post it is."""
        if self.numbered:
            parts = urlsplit(url)
            if found := _numbered(_NUMBERED[self.numbered], parts.path):
                url = urlunsplit(parts._replace(path=found["before"] + found["number"]))
        return canonical_link(url, ignore_query=ignore_query, keep=self.kept)


PLAIN: Final = Scheme()
"""Addresses in which nothing looks like noise, or what does is noise."""


def _numbered(pattern: re.Pattern[str], path: str) -> re.Match[str] | None:
    found = pattern.fullmatch(PATH_SESSION.sub("", path))
    return found if found and _LETTER.search(found["slug"]) else None


def numbered_form(urls: Sequence[str]) -> str:
    """The form of path by which most of these addresses hold a number of their own beside a title; or ""."""
    paths = [urlsplit(url).path for url in dict.fromkeys(urls)]
    for name, pattern in _NUMBERED.items():
        found = [match for path in paths if (match := _numbered(pattern, path))]
        if len(found) < max(_FEWEST, _MOST * len(paths)):
            continue
        numbers = {(match["before"], match["number"]) for match in found}
        slugs = {match["slug"] for match in found}
        # A board's name beside the number is the same in many rows; a title is not.
        if len(numbers) == len({match.string for match in found}) and len(slugs) > _MOST * len(found):
            return name
    return ""


def telling_noise(
    groups: Iterable[Sequence[str]], scheme: Scheme, ignore_query: Collection[str] = ()
) -> frozenset[str]:
    """What canonical_link leaves out and must not, because it alone tells apart addresses of different posts.

    Each group holds addresses of different posts, in the page's order, that `scheme` takes for one. One parameter that
    is enough goes before several, and one that does not count the rows before one that does.
    """
    groups = [group for group in groups if len(set(group)) > 1]
    names = list(dict.fromkeys(name for group in groups for name in _differing(group, ignore_query)))
    best = _told_apart(groups, frozenset(names), scheme, ignore_query)
    alone = [name for name in names if _told_apart(groups, frozenset({name}), scheme, ignore_query) == best]
    alone.sort(key=lambda name: any(_counts_up([_values(url)[name] for url in group]) for group in groups))
    return frozenset(alone[:1] or names)


def _told_apart(
    groups: Sequence[Sequence[str]], names: frozenset[str], scheme: Scheme, ignore_query: Collection[str]
) -> int:
    told = Scheme(kept=scheme.kept | names, numbered=scheme.numbered)
    return sum(len({told.identity(url, ignore_query) for url in group}) for group in groups)


def _differing(urls: Sequence[str], ignore_query: Collection[str]) -> list[str]:
    """Names of the parameters whose values differ between these addresses, in the order of the first one."""
    found = [_values(url) for url in urls]
    ignored = {name.lower() for name in ignore_query}
    names = dict.fromkeys(name for values in found for name in values)
    return [name for name in names if name not in ignored and len({values.get(name, "") for values in found}) > 1]


class _Values(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return ""


def _values(url: str) -> _Values:
    parts = urlsplit(url)
    found = _Values((name.lower(), value) for name, value in query_pairs(parts.query))
    if parts.fragment:
        found[FRAGMENT] = parts.fragment
    return found


def _counts_up(values: Sequence[str]) -> bool:
    """Whether the values are the rows' own numbers: 0 or 1, then one more each time."""
    numbers = [int(value) for value in values if value.isascii() and value.isdigit() and len(value) < 9]
    return len(numbers) == len(values) and numbers[0] in {0, 1} and all(b == a + 1 for a, b in pairwise(numbers))


def needless_parameters(urls: Sequence[str]) -> tuple[str, ...]:
    """Parameters that say nothing of the post: the same in every row, or the row's number (`jobPosition=1`, 2, 3 ..).

    `urls` are the posts' addresses in the page's order. These parameters are worth proposing as `ignore_query`: a post
    whose rank changes would look new. None of them is needed to tell the posts apart; what canonical_link leaves out
    anyway is not among them.
    """
    if len(urls) < _FEWEST:
        return ()
    rows = [dict(query_pairs(urlsplit(url).query)) for url in urls]
    common = [name for name in rows[0] if all(name in row for row in rows)]
    return tuple(name for name in common if _is_needless(name, [row[name] for row in rows], urls))


def _is_needless(name: str, values: Sequence[str], urls: Sequence[str]) -> bool:
    def identities(ignored: Collection[str]) -> list[str]:
        return [canonical_link(url, ignore_query=ignored) for url in urls]

    if len(set(values)) > 1 and not _counts_up(values):
        return False
    before, without = identities(()), identities((name,))
    return before != without and len(set(before)) == len(set(without))


def same_title(one: str, other: str) -> bool:
    """Whether two rows of one address say the same: a pinned row's "[Notice] Title" is the "Title" further down."""
    one, other = _letters(one), _letters(other)
    return one in other or other in one


def _letters(title: str) -> str:
    return "".join(sign for sign in title.casefold() if sign.isalnum())
