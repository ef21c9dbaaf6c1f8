"""`python -m scripts.sites.picking`: what a page looks like, and what a listing reads off it once an element is picked.

Standard input has a JSON object: `page` (text and url), `params`, and `pick`, a role and the number of an element, or
null. For the page "Try": nothing is fetched and nothing is stored.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from w3lib.html import get_base_url

from pipeline.basics.text import last_line
from spiders.errors import SpiderError
from spiders.guessing.picking import PickError, picked
from spiders.guessing.seen import Seen
from spiders.guessing.snapshot import elements_of, snapshot
from spiders.params import ListingParams
from spiders.reading.listing_page import parse_html, parse_listing


def looked_at(order: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The page's snapshot, the parameters with what was picked, and the posts that they give. Raises SpiderError."""
    text, url, params = str(order["page"]["text"]), str(order["page"]["url"]), dict(order["params"])
    root = parse_html(text)
    if order["pick"]:
        role, number = order["pick"]
        elements = elements_of(root)
        if not 0 <= int(number) < len(elements):
            raise PickError("the page has no element of this number: find the posts once more")
        params = picked(elements[int(number)], str(role), params, root, get_base_url(text, url), Seen(now))
    found: dict[str, Any] = {"params": params, "posts": [], "notes": []}
    if params.get("row"):
        read = parse_listing(text, url, ListingParams.from_mapping({"url": url, **params}), now)
        found["posts"] = [{"title": p.title, "url": p.url, "published": p.published_at} for p in read.posts]
        found["notes"] = [read.problem] if read.problem else []
    return {**found, "snapshot": asdict(snapshot(root, params))}


def main() -> None:
    """Answer on standard output, or with the reason why not."""
    try:
        json.dump(looked_at(json.load(sys.stdin), datetime.now(UTC)), sys.stdout, default=str)
    except SpiderError as error:
        json.dump({"reason": last_line(str(error))}, sys.stdout)
        sys.exit(1)


if __name__ == "__main__":
    main()
