"""The spider behind `crawlpush sites try`: fetches one page and writes down what it proposes. Stores nothing."""

import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import scrapy
from scrapy.http import Response

import spiders.without_http2  # noqa: F401 - before Scrapy
from spiders.general import asked, content_type_of
from spiders.guessing.propose import propose
from spiders.reading.places import Place
from spiders.request_params import RequestParams


class ProposeSpider(scrapy.Spider):
    """Arguments: url, output (the file that the proposal goes to, as JSON), timezone, and RequestParams'."""

    name = "propose"

    def __init__(self, url: str, output: str, timezone: str = "", **kwargs: Any) -> None:
        super().__init__()
        self._asking = RequestParams.of(kwargs)
        self._encoding = str(kwargs.get("encoding") or "")
        self._url = url
        self._output = Path(output)
        self._timezone = timezone

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """The page."""
        yield asked(self._asking, self._url, Place(), encoding=self._encoding, dont_filter=True)

    def parse(self, response: Response) -> None:
        """Write the proposal."""
        content_type = content_type_of(response)
        proposal = propose(
            response.body,
            response.url,
            content_type,
            now=datetime.now(UTC),
            timezone=self._timezone,
            encoding=self._encoding,
        )
        document = dataclasses.asdict(dataclasses.replace(proposal, params=dict(proposal.params)))
        self._output.write_text(json.dumps(document, default=str, ensure_ascii=False), encoding="utf-8")
