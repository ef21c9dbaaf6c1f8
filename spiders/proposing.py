"""The spider behind `crawlpush sites try`: fetches one page and writes down what it proposes. Stores nothing."""

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

import scrapy
from lxml import etree
from scrapy.http import Response
from twisted.python.failure import Failure

import spiders.without_http2  # noqa: F401 - before Scrapy
from spiders.fetching import OnePageSpider
from spiders.general import asked, content_type_of
from spiders.guessing.propose import Proposal, propose
from spiders.guessing.software import API, from_api, known_apis
from spiders.reading.encoding import decode
from spiders.reading.listing_page import parse_html
from spiders.reading.places import Place
from spiders.request_params import RequestParams

PAGE_LENGTH: Final = 2_000_000
"""Characters of a page that are kept for a person to look at; long boards have some hundred thousand."""


class ProposeSpider(OnePageSpider):
    """Writes the proposal for a page."""

    name = "propose"

    def parse(self, response: Response) -> Iterator[scrapy.Request]:
        """Write the proposal; then ask for the list that the page's software gives out as JSON, if it does."""
        content_type = content_type_of(response)
        proposal = propose(
            response.body,
            response.url,
            content_type,
            now=datetime.now(UTC),
            timezone=self._timezone,
            encoding=self._encoding,
        )
        source = decode(response.body, content_type=content_type, override=self._encoding).text
        is_page = proposal.spider in {"listing", ""} and source.lstrip("\ufeff \t\r\n").startswith("<")
        self._write(proposal, page={"text": source[:PAGE_LENGTH], "url": response.url} if is_page else None)
        api = None if proposal.spider == "feed" else next(known_apis(source, response.url), None)
        if api is not None:
            request = asked(RequestParams.of(api.params), str(api.params["url"]), Place(), dont_filter=True)
            request.headers["Accept"] = "application/json"
            found = {"api": api, "shown": parse_html(source), "proposal": proposal}
            yield request.replace(callback=self._answered, errback=self._unanswered, cb_kwargs=found)

    def _answered(self, response: Response, api: API, shown: etree._Element, proposal: Proposal) -> None:
        """Write the JSON in place of the page, where both are the same list."""
        found = from_api(
            api, response.body, response.url, content_type_of(response), shown=shown, now=datetime.now(UTC)
        )
        if found is not None:
            announced = tuple(f"the page announces a feed: {feed}" for feed in proposal.feeds)
            self._write(
                dataclasses.replace(
                    proposal, spider="json", params=found.params, posts=found.posts, notes=(*announced, *found.notes)
                )
            )

    def _unanswered(self, _: Failure) -> None:
        """What was found on the page itself is written already."""

    def _write(self, proposal: Proposal, page: Mapping[str, str] | None = None) -> None:
        document = dataclasses.asdict(dataclasses.replace(proposal, params=dict(proposal.params)))
        self.write(document | {"page": page})
