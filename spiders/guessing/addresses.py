"""What the addresses of a board's rows have in common, and what in them says which post it is. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from spiders.items import PostItem
from spiders.reading.addresses import needless_parameters, numbered_form

_DIGITS: Final = re.compile(r"\d+")
_SLUG: Final = re.compile(r"[^/]*[^\W\d_][^/]*[-_+%][^/]*")
_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_IDS: Final = (r"(\d{3,})", r"([A-Za-z]{1,2}\d{3,})")
_ID_PATTERNS: Final = {
    "1252460-slug": "{id}[-_,.]",
    "1252460/slug": "{id}/",
    "slug/1252460": r"/{id}(?:\.\w{{2,5}})?/?(?=[?#]|$)",
    "slug-1252460": r"[-_.,]{id}(?:-[a-z])?(?:\.\w{{2,5}})?/?(?=[?#]|$)",
}
"""How the number is found in each of the forms that numbered_form knows."""
_NUMBER_FIRST: Final = frozenset({"1252460-slug", "1252460/slug"})


def split_address(text: str) -> SplitResult:
    """The parts of an address; none where it is none: a script, or damaged."""
    try:
        return urlsplit(text)
    except ValueError:
        return SplitResult("", "", "", "", "")


def shape_of(address: str) -> str:
    """An address without what tells posts apart: digits, and texts of several words."""
    parts = split_address(address)
    path = "/".join("*" if _SLUG.fullmatch(each) else _DIGITS.sub("0", each) for each in parts.path.split("/"))
    names = sorted(name for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    return f"{parts.netloc}{path}?{'&'.join(names)}{_DIGITS.sub('0', parts.fragment)}"


def kind_of(address: str) -> str:
    """Where an address leads, but for what tells posts apart: host, folder, and names of parameters."""
    parts = split_address(address)
    names = sorted(name for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    return f"{parts.netloc}{_DIGITS.sub('0', parts.path.rpartition('/')[0])}?{'&'.join(names)}"


def family(addresses: Sequence[str]) -> float:
    """The share of the addresses that have the commonest shape."""
    shapes = Counter(map(shape_of, addresses))
    return shapes.most_common(1)[0][1] / len(addresses) if addresses else 0.0


def numbered(addresses: Sequence[str]) -> float:
    """The share that a number tells apart, or a text of three words and more."""

    def telling(address: str) -> bool:
        parts = split_address(address)
        said = f"{parts.path}?{parts.query}"
        return bool(re.search(r"\d{2,}", said)) or len(_WORD.findall(unquote(parts.path).rpartition("/")[2])) > 2

    return sum(map(telling, addresses)) / len(addresses) if addresses else 0.0


def id_from_address(posts: Sequence[PostItem]) -> dict[str, Any]:
    """`id`, where the address holds a number and the title: the title may be edited, and the post is the same."""
    urls = [post.url for post in posts if not post.pinned]
    form = numbered_form(urls)
    if not form:
        return {}
    before = _common_folder(urls) if form in _NUMBER_FIRST else ""
    for number in _IDS:
        pattern = re.escape(before) + _ID_PATTERNS[form].format(id=number)
        found = [match[1] for url in urls if (match := re.search(pattern, url))]
        if len(found) >= 0.9 * len(urls) and len(set(found)) == len(found) and _titles_in_addresses(posts):
            return {"id": f"re:{pattern}"}
    return {}


def _common_folder(urls: Sequence[str]) -> str:
    """The last folder that all addresses share, between slashes."""
    folders = [split_address(url).path.split("/") for url in urls]
    shared = [each for each, *others in zip(*folders, strict=False) if all(other == each for other in others)]
    return f"/{shared[-1]}/" if shared and shared[-1] else "/"


def _titles_in_addresses(posts: Sequence[PostItem]) -> bool:
    """Whether the addresses hold words of the titles."""
    said = 0
    for post in posts:
        words = {word.lower() for word in _WORD.findall(unquote(split_address(post.url).path))}
        said += any(word.lower() in words for word in _WORD.findall(post.title))
    return said > 0.5 * len(posts)


def ignored_parameters(posts: Sequence[PostItem], url: str) -> list[str]:
    """Parameters that say nothing of a post, but those by which the page's own address says which board it is."""
    own = parse_qsl(split_address(url).query)
    found = needless_parameters([post.url for post in posts])
    values = dict(parse_qsl(split_address(posts[0].url).query)) if posts else {}
    return [name for name in found if (name, values.get(name)) not in own]
