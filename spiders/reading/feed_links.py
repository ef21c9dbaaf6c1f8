"""Feeds that a page names in its head. Pure."""

from typing import Final

from lxml import etree
from w3lib.html import get_base_url

from spiders.reading.identity import resolve
from spiders.reading.listing_page import parse_html

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


def feed_links(text: str, url: str) -> list[str]:
    """Addresses of the feeds that a page announces (`<link rel="alternate" type="application/rss+xml">`)."""
    return announced_feeds(parse_html(text), get_base_url(text, url))


def announced_feeds(root: etree._Element, base: str) -> list[str]:
    """The same for a parsed page; feeds of comments come last."""
    found = [
        (link.get("title") or "", resolve(base, link.get("href") or ""))
        for link in root.iter("link")
        if "alternate" in (link.get("rel") or "").lower().split() and (link.get("type") or "").lower().strip() in _TYPES
    ]
    ordered = sorted(found, key=lambda each: "comment" in f"{each[0]} {each[1]}".lower())
    return list(dict.fromkeys(address for _, address in ordered if address))
