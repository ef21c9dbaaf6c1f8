"""Downloading from the web, and from nowhere else: which addresses may be connected to, and why one failed."""

from typing import Any, Final

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from OpenSSL import SSL
from scrapy import Request
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.crawler import Crawler
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
)
from scrapy.http import Response
from scrapy.utils.httpobj import urlparse_cached
from twisted.internet import error as connecting
from twisted.web.client import ResponseFailed
from twisted.web.http import _DataLoss

from pipeline.basics.access import tls_rules
from pipeline.basics.public_addresses import is_public
from spiders.child.http1 import FAULT, AnswerError, Factory
from spiders.child.outgoing import Outgoing
from spiders.child.tls import TLSPolicy, handshake_words
from spiders.errors import SpiderError

BROKEN_OFF: Final = "broken off: "
"""Begins a response's flag that says, in a sentence, why its body is not whole."""


class PrivateAddressError(SpiderError):
    """A connection into a private network, which the site is not allowed to make."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address} is not an address of the public internet; a site in a private network needs --allow-private "
            "(allow_private)"
        )


class WebDownloadHandler(HTTP11DownloadHandler):
    """Scrapy's handler for http and https, made when the first request of its scheme comes: TLS costs something."""

    lazy = True

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        settings = crawler.settings
        self._tls = TLSPolicy(settings["CRAWL_HOST"] or "", tls_rules(settings["CRAWL_TLS"] or ()))
        self._contextFactory = self._tls  # type: ignore[assignment] # zope's interfaces are no types
        self._pool._factory = Factory
        self._outgoing: Outgoing | None = settings["CRAWL_OUTGOING"]

    async def download_request(self, request: Request) -> Response:
        """Download; a failure has words, where Scrapy's own handler often has none."""
        try:
            response = await super().download_request(self._outgoing.complete(request) if self._outgoing else request)
        except DownloadCancelledError as error:
            raise DownloadCancelledError(str(error) or f"larger than {self._default_maxsize} bytes") from error
        except (CannotResolveHostError, DownloadConnectionRefusedError, DownloadFailedError) as error:
            host = urlparse_cached(request).hostname or ""
            raise type(error)(_failure_words(error, refusal=self._tls.refusals.get(host, ""))) from error
        fault = response.headers.pop(FAULT, None)
        if "dataloss" not in response.flags:
            return response
        sentence = f"the answer cannot be read to its end: {fault[0].decode()}" if fault else "the answer broke off"
        return response.replace(flags=[*response.flags, BROKEN_OFF + sentence])


def refuse_private_addresses(reactor: Any) -> None:
    """From now on this reactor connects to public addresses only.

    Names are resolved by then, and every connection (a redirect's, a robots.txt's) is made here, so a name that
    resolves to something else the second time gains nothing.
    """
    connect = reactor.connectTCP

    def guarded(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if not is_public(host):
            raise PrivateAddressError(host)
        return connect(host, port, *args, **kwargs)

    reactor.connectTCP = guarded


_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (connecting.DNSLookupError, "there is no such host, or the name could not be looked up"),
    (connecting.ConnectionRefusedError, "Connection was refused: nothing listens there"),
    (connecting.NoRouteError, "there is no way to that network from here"),
    (connecting.TCPTimedOutError, "the server did not take the connection in time"),
    (connecting.ConnectionDone, "the server closed the connection before its answer was complete"),
    (connecting.ConnectionLost, "the connection was lost before the answer was complete"),
    (_DataLoss, "the answer broke off"),
)
"""The first that fits. Where Twisted wraps several causes, the first of them is what happened first."""


def _failure_words(error: BaseException, *, refusal: str = "") -> str:
    """What a download failed of; never empty. `refusal` is why the host's certificate was refused, if it was."""
    cause = _first_cause(error)
    if isinstance(cause, SSL.Error):
        return f"the server's TLS: {refusal or handshake_words(cause)}"
    if isinstance(cause, AnswerError):
        return f"the answer cannot be read: {cause}"
    known = next((sentence for kind, sentence in _WORDS if isinstance(cause, kind)), "")
    return known or str(cause).strip() or type(cause).__name__


def _first_cause(error: BaseException) -> BaseException:
    while True:
        if isinstance(error, ResponseFailed) and error.reasons:
            error = error.reasons[0].value
        elif isinstance(error.__cause__, BaseException) and type(error).__module__.startswith("scrapy."):
            error = error.__cause__
        else:
            return error
