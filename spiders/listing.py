"""The spider for HTML boards: fetches the pages that `listing_page` reads, and reports what they held."""

from datetime import datetime

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy.http import Response

from spiders.general import PagedSpider, content_type_of
from spiders.params import ListingParams
from spiders.reading.listing_page import parse_listing
from spiders.reading.page_posts import ListingPage


class ListingSpider(PagedSpider[ListingParams]):
    """Crawls one board; the parameters are the spider's arguments (see ListingParams)."""

    name = "listing"
    Kind = ListingParams

    def parse_page(self, response: Response, now: datetime) -> ListingPage:
        """What a page holds; a spider in spiders/sites/ may replace this."""
        return parse_listing(
            response.body, response.url, self.params, now, content_type_of(response), scheme=self._scheme
        )
