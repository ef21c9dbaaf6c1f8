"""Answers made good as browsers do it: compressed in odd ways, broken off, or sent on by a refresh."""

import html
import logging
import re
from typing import Final
from urllib.parse import urldefrag

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy import Request
from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.downloadermiddlewares.redirect import MetaRefreshMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import HtmlResponse, Response
from scrapy.responsetypes import responsetypes
from scrapy.utils._compression import _DecompressionMaxSizeExceeded
from scrapy.utils.response import get_meta_refresh

from spiders.child.download import BROKEN_OFF

logger = logging.getLogger(__name__)

WRAPPINGS: Final = 3
"""How often an answer may be compressed: once as labelled, once by a proxy, and one more."""
_MAGIC: Final = ((b"\x1f\x8b\x08", b"gzip"), (b"\x28\xb5\x2f\xfd", b"zstd"))
"""First bytes of what is compressed, whatever its label says (RFC 1952, RFC 8878)."""

_END: Final = re.compile(
    rb"(?:</(?:html|body|rss|(?:[\w.-]+:)?(?:RDF|feed))\s*>\s*(?:<!--.*?-->\s*)*|[}\]]\s*)\Z", re.IGNORECASE | re.DOTALL
)
"""The end of a whole page, feed or JSON document."""


class UnpackingMiddleware(HttpCompressionMiddleware):
    """Unpacks what is labelled, what is not, and what is labelled wrongly; and looks at answers that broke off."""

    def process_response(  # type: ignore[override]
        self, request: Request, response: Response
    ) -> Response | Request:
        """Unpack. What broke off is asked for once more, unless its end is there; then it is read as far as it came."""
        unpacked = super().process_response(request, response)
        if isinstance(unpacked, Request):
            return unpacked
        unpacked = self._unlabelled(unpacked)
        fault = next((flag.removeprefix(BROKEN_OFF) for flag in unpacked.flags if flag.startswith(BROKEN_OFF)), None)
        if fault is None or _END.search(unpacked.body[-4096:]):
            return unpacked
        if not request.meta.get("crawlpush_asked_again"):
            return request.replace(dont_filter=True, meta={**request.meta, "crawlpush_asked_again": True})
        if not unpacked.body:
            raise IgnoreRequest(fault)
        logger.error("%s; %d bytes came, which are read: %s", fault, len(unpacked.body), request.url)
        return unpacked

    @staticmethod
    def _decode(body: bytes, encoding: bytes, max_size: int) -> bytes:
        try:
            return HttpCompressionMiddleware._decode(body, encoding, max_size)
        except _DecompressionMaxSizeExceeded:
            raise
        except Exception:  # each decoder has exceptions of its own
            # The label is wrong: then it is plain, or compressed in a way that its first bytes tell.
            return body

    def _unlabelled(self, response: Response) -> Response:
        body = response.body
        for _ in range(WRAPPINGS):
            encoding = next((encoding for magic, encoding in _MAGIC if body.startswith(magic)), None)
            if encoding is None:
                break
            try:
                inner = self._decode(body, encoding, self._max_size)
            except _DecompressionMaxSizeExceeded as error:
                raise IgnoreRequest(f"larger than {self._max_size} bytes when it is unpacked") from error
            if inner == body:
                break
            body = inner
        return response if body is response.body else _with_body(response, body)


def _with_body(response: Response, body: bytes) -> Response:
    kind = responsetypes.from_args(headers=response.headers, url=response.url, body=body)
    return response.replace(cls=kind, body=body)


class RefreshMiddleware(MetaRefreshMiddleware):
    """Follows a refresh that is a redirect, and not one by which a page reloads itself.

    A long delay (METAREFRESH_MAXDELAY) is a page that people are to read. The page's own address is a reload, but
    for a gateway that sets a cookie and sends the browser round once.
    """

    def process_response(  # type: ignore[override]
        self, request: Request, response: Response
    ) -> Response | Request:
        """Follow, or let the page be read. A header says the same as the tag (HTML Standard, "Refresh")."""
        if header := response.headers.get("Refresh"):
            said = html.escape(header.decode("latin-1"))
            tag = HtmlResponse(
                response.url,
                status=response.status,
                headers=response.headers,
                body=f'<meta http-equiv="refresh" content="{said}">'.encode(),
                encoding="utf-8",
            )
            followed = self._followed(request, tag)
            if isinstance(followed, Request):
                return followed
        return self._followed(request, response)

    def _followed(self, request: Request, response: Response) -> Response | Request:
        if isinstance(response, HtmlResponse):
            _, url = get_meta_refresh(response, ignore_tags=self._ignore_tags)
            if url and _same_page(url, response.url):
                gateway = b"Set-Cookie" in response.headers and not request.meta.get("redirect_times")
                if not gateway:
                    return response
        followed: Response | Request = super().process_response(request, response)
        return followed


def _same_page(one: str, other: str) -> bool:
    return urldefrag(one)[0].rstrip("/?") == urldefrag(other)[0].rstrip("/?")
