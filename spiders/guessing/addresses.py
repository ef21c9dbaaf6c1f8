"""What the addresses of a board's rows have in common, and what in them says which post it is. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from spiders.items import PostItem
from spiders.reading.identity import canonical_link

_DIGITS: Final = re.compile(r"\d+")
_SLUG: Final = re.compile(r"[^/]*[^\W\d_][^/]*[-_+%][^/]*")
_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_GENERATED: Final = re.compile(r"\d{12,}|(?=.*\d)[\w-]{20,}")
_MOST: Final = 0.9
_NUMBERS: Final = (
    (re.compile(r"^(?P<before>.*/)(?P<id>\d{2,})[-_][^/]*[^\W\d_][^/]*/?$"), r"(\d+)[-_]"),
    (re.compile(r"^(?P<before>.*/)(?P<id>\d{2,})/[^/]*[^\W\d_][^/]*/?$"), r"(\d+)/"),
)
"""Addresses in which a number says which post it is, and the title stands behind it."""


def shape_of(address: str) -> str:
    """An address without what tells posts apart: digits, and texts of several words."""
    parts = urlsplit(address)
    path = "/".join("*" if _SLUG.fullmatch(each) else _DIGITS.sub("0", each) for each in parts.path.split("/"))
    names = sorted(name for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    return f"{parts.netloc}{path}?{'&'.join(names)}{_DIGITS.sub('0', parts.fragment)}"


def family(addresses: Sequence[str]) -> float:
    """The share of the addresses that have the commonest shape."""
    shapes = Counter(map(shape_of, addresses))
    return shapes.most_common(1)[0][1] / len(addresses) if addresses else 0.0


def numbered(addresses: Sequence[str]) -> float:
    """The share that a number tells apart, or a text of three words and more."""

    def telling(address: str) -> bool:
        parts = urlsplit(address)
        said = f"{parts.path}?{parts.query}"
        return bool(re.search(r"\d{2,}", said)) or len(_WORD.findall(unquote(parts.path).rpartition("/")[2])) > 2

    return sum(map(telling, addresses)) / len(addresses) if addresses else 0.0


def id_from_address(posts: Sequence[PostItem]) -> dict[str, Any]:
    """`id`, where the address holds a number and the title: the title may be edited, and the post is the same."""
    paths = [(urlsplit(post.url).path, post) for post in posts if not post.pinned]
    for pattern, tail in _NUMBERS:
        found = [(match, post) for path, post in paths if (match := pattern.match(path))]
        if len(found) < max(3, _MOST * len(paths)):
            continue
        before = {match["before"] for match, _ in found}
        ids = {match["id"] for match, _ in found}
        if len(before) == 1 and len(ids) == len(found) and _titles_in_addresses(found):
            return {"id": f"re:{re.escape(before.pop())}{tail}"}
    return {}


def _titles_in_addresses(found: Sequence[tuple[re.Match[str], PostItem]]) -> bool:
    """Whether the text behind the number is made of the title's words."""
    said = 0
    for match, post in found:
        words = {word.lower() for word in _WORD.findall(unquote(match.string[match.end("id") :]))}
        said += any(word.lower() in words for word in _WORD.findall(post.title))
    return said > 0.5 * len(found)


def ignored_parameters(posts: Sequence[PostItem], url: str) -> list[str]:
    """Parameters that tell nothing of a post, and change: a row's rank, and what a page makes anew at each load."""
    queries = [dict(parse_qsl(urlsplit(post.url).query)) for post in posts]
    if len(queries) < 3:
        return []
    own = dict(parse_qsl(urlsplit(url).query))
    names = set.intersection(*map(set, queries))
    noise = [name for name in sorted(names) if _is_rank([query[name] for query in queries])]
    noise += [
        name
        for name in sorted(names - set(noise) - set(own))
        if len({query[name] for query in queries}) == 1 and _GENERATED.fullmatch(queries[0][name])
    ]
    known = {canonical_link(post.url) for post in posts}
    noise = [name for name in noise if {canonical_link(post.url, ignore_query=[name]) for post in posts} != known]
    left = {canonical_link(post.url, ignore_query=noise) for post in posts}
    return noise if len(left) == len(known) else []


def _is_rank(values: Sequence[str]) -> bool:
    """Whether the values count the rows: 1, 2, 3 ..., or up from where the page before ended."""
    if not all(value.isdigit() and len(value) < 5 for value in values):
        return False
    steps = {int(after) - int(before) for before, after in pairwise(values)}
    return steps == {1}
