"""A spider that yields posts and then does what spiders should not do. Found by way of CRAWL_SPIDER_MODULES."""

import ctypes
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

import scrapy
from scrapy.http import Response

from spiders.child import download, http1
from spiders.items import PostItem

http1.CHUNKS = 20_000
"""A busy machine needs more than a download's time for as many as the product takes."""
POSTS = 100
"""A full batch, so that it is stored before the fault."""


class FaultySpider(scrapy.Spider):
    """The first page's callback yields posts and asks for `then`, whose callback does `fault`."""

    name = "faulty"

    def __init__(self, url: str, fault: str, timezone: str, then: str = "", note: str = "", posts: int = POSTS) -> None:
        super().__init__(self.name)
        self.url, self.then, self.fault, self.note, self.posts = url, then, fault, note, posts

    async def start(self) -> AsyncIterator[scrapy.Request]:
        yield scrapy.Request(self.url)

    def parse(self, response: Response) -> Iterator[Any]:
        for number in range(self.posts):
            yield PostItem(external_id=str(number), url=f"{self.url}#{number}", title=f"Post {number}")
        if self.then:
            yield scrapy.Request(self.then, callback=self.misbehave)
        else:
            self.misbehave(response)

    def misbehave(self, _response: Response) -> None:
        getattr(self, f"_{self.fault}")()

    def _nothing(self) -> None:
        pass

    def _loop(self) -> None:
        self._say("looping")
        while True:
            pass

    def _hold_gil(self) -> None:
        self._say("holding")
        re.match(r"(a+)+$", "a" * 60 + "b")

    def _hog(self) -> None:
        hoard = []
        while True:
            hoard.append(bytearray(b"x" * 8_000_000))

    def _exit(self) -> None:
        os._exit(7)

    def _crash(self) -> None:
        ctypes.string_at(0)

    def _raise(self) -> None:
        raise LookupError("the row has no title")

    def _fork(self) -> None:
        """One in this group, and one that forks away into a session of its own; then it is over as if nothing was."""
        sleep = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
        inside = subprocess.Popen(sleep)
        outside = subprocess.Popen(sleep, start_new_session=True)
        self._say(f"{inside.pid} {outside.pid}")

    def _sleep(self) -> None:
        self._say("sleeping")
        time.sleep(600)

    def _say(self, words: str) -> None:
        if self.note:
            new = Path(self.note + ".new")
            new.write_text(words)
            new.rename(self.note)


class RebindingSpider(FaultySpider):
    """Takes 127.0.0.1 for an address of the public internet, so that leaving it for 127.0.0.2 can be tested."""

    name = "rebinding"

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        download.is_public = lambda address: address == "127.0.0.1"
