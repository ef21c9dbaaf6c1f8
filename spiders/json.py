"""The spider for JSON: an API's answer, or what a page embeds for its own scripts."""

import logging
from datetime import datetime

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

import scrapy
from scrapy.http import Response

from spiders.general import PagedSpider, content_type_of
from spiders.middlewares import kind_of
from spiders.params import JSONParams
from spiders.reading.expressions import ExpressionError, is_true, text_of
from spiders.reading.json_page import JSONPage, parse_json
from spiders.reading.json_text import NotJSONError
from spiders.reading.page_posts import ListingPage

logger = logging.getLogger(__name__)


class JSONSpider(PagedSpider[JSONParams]):
    """Crawls one list of posts in JSON; the parameters are the spider's arguments (see JSONParams)."""

    name = "json"
    Kind = JSONParams

    @property
    def accepts(self) -> str:  # type: ignore[override]
        """Some servers show people another answer."""
        return "" if self.params.embedded else "application/json, */*;q=0.5"

    def parse_page(self, response: Response, now: datetime) -> JSONPage:
        """What a page holds. Raises NotJSONError or ExpressionError, which say what came instead; the crawl fails."""
        try:
            page = parse_json(response.body, response.url, self.params, now, content_type_of(response), self._scheme)
        except (NotJSONError, ExpressionError) as error:
            kind = kind_of(response)
            is_other = kind is not None and kind.is_other and kind.name != "json"
            sentence = f"{error}: {kind.sentence}" if is_other and kind else str(error)
            self.note(problem=sentence)
            raise type(error)(sentence) from error
        if page.notes:
            self.note(problem="; ".join(page.notes))
        return page

    def following(self, page: ListingPage, response: Response) -> scrapy.Request | None:
        """None too when the answer itself says that there is no further page, or names the same again."""
        if self.params.next and not is_true(page.following if isinstance(page, JSONPage) else None):
            return None
        return super().following(page, response)

    def cursor(self, page: ListingPage) -> str:
        """The cursor that `next` found."""
        return text_of(page.following).strip() if isinstance(page, JSONPage) else ""
