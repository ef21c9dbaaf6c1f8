"""The spider behind `crawlpush sites repair`: fetches a site's page and finds its definition again. Stores nothing."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy.http import Response

from spiders.fetching import OnePageSpider
from spiders.general import content_type_of
from spiders.guessing.known_posts import KnownPost
from spiders.guessing.repair import Repair, repair
from spiders.reading.selectors import SelectorError


class RepairSpider(OnePageSpider):
    """Writes what the page is to be read by. Besides, `known` is a file with what the site is known by, as JSON:
    before, shown, row, and the posts (id, external_id, title, published_at)."""

    name = "repair"

    def __init__(self, known: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._known = Path(known)

    def parse(self, response: Response) -> None:
        """Write the repair: parameters, posts with the ids of the stored ones that they are, or the refusal."""
        said = json.loads(self._known.read_text(encoding="utf-8"))
        posts = [
            KnownPost(**{**each, "published_at": at and datetime.fromisoformat(at)})
            for each in said["posts"]
            for at in [each["published_at"]]
        ]
        try:
            found = repair(
                response.body,
                response.url,
                content_type_of(response),
                before=said["before"],
                known=posts,
                shown=said["shown"],
                now=datetime.now(UTC),
                row=said["row"],
            )
        except SelectorError as error:
            found = Repair(refusal=f"--row: {error}")
        self.write({"params": found.params, "refusal": found.refusal, "notes": found.notes, "posts": _posts(found)})


def _posts(found: Repair) -> list[dict[str, Any]]:
    known, new = found.recognition.known, found.recognition.new
    return [
        {
            **asdict(post),
            "published_at": post.published_at.isoformat() if post.published_at else None,
            "known": known[place].id if place in known else None,
            "is_new": place in new,
        }
        for place, post in enumerate(found.posts)
    ]
