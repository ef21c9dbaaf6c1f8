"""What a server's politeness headers mean, and whose robots.txt a request is for."""

from datetime import UTC, datetime

import pytest

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy import Request
from scrapy.http.request import NO_CALLBACK

from spiders.robots import robots_origin

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("request_", "origin"),
    [
        (Request("https://board.test/robots.txt", callback=NO_CALLBACK), "https://board.test"),
        (Request("http://board.test:8080/robots.txt", callback=NO_CALLBACK), "http://board.test:8080"),
        (
            Request(
                "https://www.board.test/elsewhere",
                callback=NO_CALLBACK,
                meta={"redirect_urls": ["https://board.test/robots.txt"]},
            ),
            "https://board.test",
        ),
        (Request("https://board.test/robots.txt"), None),
        (Request("https://board.test/list", callback=NO_CALLBACK), None),
    ],
)
def test_robots_origin(request_: Request, origin: str | None) -> None:
    assert robots_origin(request_) == origin
