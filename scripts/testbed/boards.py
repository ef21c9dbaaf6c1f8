"""The boards of a drill as processes, and how the product is told to read them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from scripts.board.process import BoardProcess
from scripts.testbed.population import SITES


@contextmanager
def boards() -> Iterator[dict[str, BoardProcess]]:
    """A board for each of SITES, on which only those posts appear that somebody adds."""
    with ExitStack() as stack:
        yield {site: stack.enter_context(BoardProcess(every=0)) for site in SITES}


def site_params(opened: Mapping[str, BoardProcess]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Spider and parameters of each board; on hosts of different names, so that they are crawled side by side."""
    listing = {**opened["board"].listing_params(), "next": "a.next", "max_pages": 3}
    listing.pop("timezone")
    return {
        "board": ("listing", listing),
        "feed": ("feed", {"url": opened["feed"].feed_url.replace("127.0.0.1", "localhost")}),
    }
