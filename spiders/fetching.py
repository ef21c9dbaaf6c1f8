"""The spiders of commands that look at one page of a site: they fetch it as a crawl does, and store nothing."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

import scrapy
from scrapy.http import Response

from spiders.general import asked, content_type_of
from spiders.reading.places import Place
from spiders.request_params import RequestParams


class OnePageSpider(scrapy.Spider):
    """Asks for one page. Arguments: url, output (the file that the result goes to), timezone, and RequestParams'."""

    def __init__(self, url: str, output: str, timezone: str = "", **kwargs: Any) -> None:
        super().__init__()
        self._asking = RequestParams.of(kwargs)
        self._encoding = str(kwargs.get("encoding") or "")
        self._accepts = str(kwargs.get("accepts") or "")
        self._url = url
        self._output = Path(output)
        self._timezone = timezone

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """The page."""
        request = asked(self._asking, self._url, Place(), encoding=self._encoding, dont_filter=True)
        if self._accepts:
            request.headers["Accept"] = self._accepts
        yield request

    def write(self, result: Any) -> None:
        """Write the result, as JSON."""
        self._output.write_text(json.dumps(result, default=str, ensure_ascii=False), encoding="utf-8")


class FetchSpider(OnePageSpider):
    """Writes the page down as it came: its bytes beside the output, in a file that ends in ".page"."""

    name = "fetch"

    def parse(self, response: Response) -> None:
        """Keep the page, and what is needed to read it again."""
        self._output.with_suffix(".page").write_bytes(response.body)
        self.write({"url": response.url, "content_type": content_type_of(response)})
