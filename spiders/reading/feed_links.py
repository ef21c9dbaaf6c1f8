"""Feeds that a page names: in its head, or by a link that a reader may press. Pure."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from lxml import etree

from spiders.reading.identity import resolve
from spiders.reading.text import element_text

_TYPES: Final = frozenset(
    {
        "application/rss+xml",
        "application/atom+xml",
        "application/rdf+xml",
        "application/feed+json",
        "text/xml",
        "application/xml",
    }
)
_ADDRESS: Final = re.compile(
    r"(?:^|[/._?&=-])(?:rss|atom|rdf|feeds?)(?:2|20|10|\d\.0)?(?:\.(?:xml|php|do|jsp?|aspx?|json|rss|atom))?"
    r"(?:$|[/?&#=])|\.(?:rss|atom|rdf)(?:$|\?)|[/_]rss\w*\.\w+(?:$|\?)",
    re.IGNORECASE,
)
_SAYS: Final = re.compile(
    r"\W*(?:rss|atom|rdf|json)(?:[\s/]*(?:2\.0|1\.0))?(?:\W*(?:feeds?|구독|피드|xml))?\W*", re.IGNORECASE
)
_ABOUT: Final = re.compile(r"(?:help|about|guide|info|faq|reader)", re.IGNORECASE)
_MOST_LINKS: Final = 20


def announced_feeds(root: etree._Element, base: str, url: str = "") -> list[str]:
    """Addresses of the feeds that a page announces, by `<link rel="alternate">` or by a link such as "RSS".

    The feed nearest to the page's own address comes first, those of comments last.
    """
    near = _words(url or base)
    found = [*_in_head(root, base), *_pressable(root, base)]
    ordered = sorted(
        found, key=lambda each: ("comment" in f"{each[0]} {each[1]}".lower(), -len(near & _words(each[1])))
    )
    return list(dict.fromkeys(address for _, address in ordered))


def _in_head(root: etree._Element, base: str) -> Iterator[tuple[str, str]]:
    for link in root.iter("link"):
        rel = (link.get("rel") or "").lower().split()
        address = resolve(base, link.get("href") or "")
        if address and "alternate" in rel and (link.get("type") or "").lower().strip() in _TYPES:
            yield link.get("title") or "", address


def _pressable(root: etree._Element, base: str) -> list[tuple[str, str]]:
    """Links of the site itself that say "RSS", or whose address does; none where nearly all of them do."""
    host = urlsplit(base).hostname
    found = []
    for anchor in root.iter("a"):
        href = anchor.get("href") or ""
        says = (
            element_text(anchor) or anchor.get("title") or "".join(each.get("alt") or "" for each in anchor.iter("img"))
        )
        if not (_ADDRESS.search(href) or _SAYS.fullmatch(says)) or _ABOUT.search(href):
            continue
        address = resolve(base, href)
        if address and urlsplit(address).hostname == host:
            found.append((says, address))
    return found if len(found) <= _MOST_LINKS else []


def _words(url: str) -> set[str]:
    """The parts of an address that say which board it is: of its path, and the values of its query."""
    parts = urlsplit(url)
    words = {*re.split(r"[/.]+", parts.path.lower()), *(value.lower() for _, value in parse_qsl(parts.query))}
    words |= {*re.findall(r"\d{2,}", url)}
    return words - {"", "index", "html", "php", "do", "rss", "feed", "feeds"}
