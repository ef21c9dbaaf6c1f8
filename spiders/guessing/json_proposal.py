"""What `crawlpush sites try URL` proposes for JSON: an answer, or what a page embeds for its own scripts. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lxml import etree
from w3lib.html import get_base_url

from spiders.guessing.confidence import FEWEST_DATED, doubts
from spiders.guessing.json_guess import JSONGuess, guess_json
from spiders.guessing.page_facts import timezone_of
from spiders.params import JSONParams
from spiders.reading.embedded import SCRIPTS, embedded_documents, opened_again
from spiders.reading.expressions import search, text_of
from spiders.reading.identity import resolve
from spiders.reading.json_page import JSONPage, parse_json
from spiders.reading.json_text import NotJSONError, read_json
from spiders.reading.listing_page import parse_html

_NO_ADDRESS: Final = "the rows have no addresses of their own"
_ASSIGNED: Final = re.compile(
    r"(?:(?P<object>window|self|globalThis)(?:\.|\[[\"'])|(?:var|let|const)\s+)(?P<name>[\w$]+)[\"'\]]*\s*=\s*(?=[{\[]|JSON)"
)
_NEXT: Final = ("next", "next_url", "nextUrl", "nextLink", "links.next", "paging.next", "meta.next", "pagination.next")


@dataclass(frozen=True, kw_only=True)
class JSONProposal:
    """A definition's parameters and what they give, or why there are none."""

    params: Mapping[str, Any]
    page: JSONPage | None
    # What speaks against the likeliest rows; empty where they are proposed, or nothing repeats.
    refusal: str = ""


def propose_answer(text: str, url: str, common: Mapping[str, Any], now: datetime) -> JSONProposal | None:
    """A proposal for a JSON answer, or the likeliest rows with what speaks against them. Raises NotJSONError."""
    value = opened_again(read_json(text).value)
    guess = guess_json(value, url, now)
    following = next((each for each in _NEXT if _is_other_page(search(each, value), url)), "")
    if guess is None:
        return None
    return _proposal(guess, text, url, {**common, **({"next": following} if following else {})}, now)


def propose_embedded(
    text: str, root: etree._Element, url: str, common: Mapping[str, Any], now: datetime
) -> JSONProposal | None:
    """The same for the JSON in a page; one that is proposed goes before one that is not."""
    base = get_base_url(text, url)
    refused: JSONProposal | None = None
    for place in dict.fromkeys(_places(root)):
        try:
            documents = list(embedded_documents(root, place))
        except NotJSONError:
            continue
        for document in documents:
            guess = guess_json(opened_again(document.value), base, now)
            if guess is None:
                continue
            found = _proposal(guess, text, url, {**common, "embedded": place}, now)
            if not found.refusal:
                return found
            refused = refused or found
    return refused


def _places(root: etree._Element) -> Iterator[str]:
    """Where a page may hold its posts: scripts that are JSON, variables that scripts set."""
    for script, _ in zip(root.iter("script"), range(SCRIPTS), strict=False):
        kind = (script.get("type") or "").lower()
        text = script.text or ""
        if "json" in kind:
            name = script.get("id") or ""
            yield f"script#{name}" if re.fullmatch(r"[A-Za-z_][\w-]*", name) else f'script[type="{kind}"]'
        elif len(text) > 100:
            for found in _ASSIGNED.finditer(text):
                yield f"{found['object']}.{found['name']}" if found["object"] else f"js:{found['name']}"


def _is_other_page(value: Any, url: str) -> bool:
    found = resolve(url, text_of(value).strip()) if "/" in text_of(value) else None
    return bool(found) and found != url


def _proposal(guess: JSONGuess, text: str, url: str, common: Mapping[str, Any], now: datetime) -> JSONProposal:
    against = [] if "link" in guess.params else [_NO_ADDRESS]
    against += doubts(guess.facts)
    params = {**common, **guess.params}
    if against:
        return JSONProposal(params=params, page=None, refusal=_refusal(params, against))
    titles = " ".join(post.title for post in _read(text, url, params, now).posts)
    zone = "" if "timezone" in params else timezone_of(parse_html(titles), "", url)
    params |= {"timezone": zone} if zone else {}
    page = _read(text, url, params, now)
    if page.is_ambiguous or len(page.posts) < FEWEST_DATED:
        return JSONProposal(
            params=params, page=None, refusal=_refusal(params, [page.problem or "hardly any is a post"])
        )
    return JSONProposal(params=params, page=page)


def _read(text: str, url: str, params: Mapping[str, Any], now: datetime) -> JSONPage:
    return parse_json(text, url, JSONParams.from_mapping(params), now)


def _refusal(params: Mapping[str, Any], against: list[str]) -> str:
    words = ("embedded", "rows", "title", "date", "id")
    given = " ".join(f"-p {name}={params[name]!r}" for name in words if params.get(name))
    template = (
        "" if "link" in params else " -p link_template='https://.../{" + str(params.get("id") or params["title"]) + "}'"
    )
    return (
        f"the likeliest rows in the JSON are not proposed, because {', and '.join(against)}: if they are posts, give "
        f"--spider json {given}{template}"
    )
