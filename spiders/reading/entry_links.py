"""Which of a feed entry's links is the page that a reader opens. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

_PAGES: Final = frozenset({"", "text/html", "application/xhtml+xml"})


def page_link(links: Sequence[Mapping[str, Any]], language: str = "") -> str:
    """The address of the alternate that is a web page, in the feed's language before others; "" if there is none.

    `links` are as feedparser has them. Links to itself, to comments, to files and to editors are no page of the entry.
    """
    alternates = [link for link in links if link.get("rel", "alternate") == "alternate" and link.get("href")]
    return (
        min((_rank(link, language), place, str(link["href"])) for place, link in enumerate(alternates))[2]
        if alternates
        else ""
    )


def _rank(link: Mapping[str, Any], language: str) -> tuple[bool, bool]:
    written = _main(str(link.get("hreflang") or language))
    return str(link.get("type") or "").partition(";")[0].strip().lower() not in _PAGES, written != _main(language)


def _main(language: str) -> str:
    """The language without its region: "ko" of "ko-KR"."""
    return language.replace("_", "-").partition("-")[0].lower()


def is_address(guid: str) -> bool:
    """Whether a guid is an address that can be opened; RSS says that it is one unless isPermaLink is false."""
    return guid.lower().startswith(("http://", "https://", "/"))
