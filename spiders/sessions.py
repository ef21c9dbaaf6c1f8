"""Sessions of sites that want a login: kept between crawls, used until they fail, then begun anew within the crawl.

Only the process of a crawl sees cookies and tokens in the clear; the database has them encrypted
(github.com/fernet/spec).
"""

import json
import logging
from dataclasses import dataclass, field
from http.cookiejar import Cookie
from typing import TYPE_CHECKING, Any, Final, Self

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy import FormRequest, Request
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.exceptions import IgnoreRequest, NotConfigured
from scrapy.http import Response, TextResponse
from scrapy.http.cookies import CookieJar

from pipeline.basics.access import origin
from spiders.middlewares import POST
from spiders.reading.encoding import decode
from spiders.reading.expressions import ExpressionError, search, text_of
from spiders.reading.json_text import NotJSONError, read_json
from spiders.request_params import RequestParams, pairs
from spiders.robots import robots_origin

if TYPE_CHECKING:
    from spiders.child.outgoing import Outgoing
from spiders.reading.embedded import opened_again
from spiders.reading.expressions import is_true
from spiders.reading.listing_page import parse_html
from spiders.reading.selectors import SelectorError, compile_selector

logger = logging.getLogger(__name__)

REFUSED: Final = "crawlpush/login_refused"
"""Stat that says, in words, that the site took the login and did not let us in."""
KEPT: Final = "crawlpush/session"
"""Stat with the encrypted cookies of a session that works."""
REFUSALS: Final = 3
"""So often a login may be refused until somebody changes the site: more would lock the account."""
JAR_LENGTH: Final = 64_000
"""Characters of cookies that are kept; a browser keeps some 50 of 4,096 bytes for each site (RFC 6265, section 6.1)."""
TOKEN_LENGTH: Final = 16_000
"""Characters of a token; servers take headers of 8 to 16 KB."""
_NO_LOGIN: Final = frozenset({404, 405, 406, 410, 415, 429})
"""Answers to a JSON login that say nothing of the password: the address is wrong, or it is not the time."""
_OURS: Final = "crawlpush/login"
_ASKED: Final = "crawlpush/asked"
_FORM: Final = ".//form[.//input[translate(@type, 'PASWORD', 'pasword') = 'password']]"


@dataclass(frozen=True, kw_only=True)
class SessionOrder:
    """How a site is logged into, and what is left of the last session."""

    params: RequestParams
    # Of the site's list.
    url: str
    # Fernet's key, and what it encrypted; "" where there is none.
    key: str = field(repr=False)
    kept: str = field(default="", repr=False)
    # Logins refused in a row, before this crawl.
    refused: int = 0


def fernet(key: str) -> Any:
    """What encrypts and decrypts. Raises ValueError for what is no key."""
    # Only sites with a login need it.
    from cryptography.fernet import Fernet

    return Fernet(key)


class SessionMiddleware:
    """Looks whether each page of the site shows that one is logged in, and logs in once where it does not."""

    def __init__(self, crawler: Crawler, order: SessionOrder) -> None:
        self._crawler = crawler
        self._order = order
        self._outgoing: Outgoing = crawler.settings["CRAWL_OUTGOING"]
        self._jar: CookieJar | None = None
        self._has_tried = False

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor; switched off where a site wants no login."""
        order = crawler.settings["CRAWL_SESSION"]
        if order is None:
            raise NotConfigured
        return cls(crawler, order)

    def process_request(self, request: Request) -> None:
        """Put the kept cookies into the jar, before the first request; ask for nothing where no login is tried."""
        if self._order.refused >= REFUSALS:
            sentence = (
                f"the login at {self._order.params.login_url} was refused {self._order.refused} times, and is not "
                "tried again until the site is changed (`crawlpush sites set`, or `sites enable`)"
            )
            self._crawler.stats.set_value("crawlpush/problem", sentence)
            raise IgnoreRequest(sentence)
        if self._jar is None:
            self._jar = self._restored()
        if not _is_page(request):
            return
        request.meta.setdefault(_ASKED, request)

    async def process_response(self, request: Request, response: Response) -> Response | Request:
        """Pass on a page that shows that one is logged in; else log in and ask for it again, once."""
        if not _is_page(request) or response.status >= 500 or response.status == 429:
            return response
        if shows_login(_text(response), self._order.params.logged_in):
            self._crawler.stats.set_value(KEPT, self._encrypted())
            return response
        if self._has_tried:
            raise self._refused(
                f"after it, {response.url} still does not show logged_in, {self._order.params.logged_in!r}"
            )
        self._has_tried = True
        await self._log_in()
        asked: Request = request.meta[_ASKED]
        return asked.replace(dont_filter=True, meta={**asked.meta, _ASKED: asked})

    async def _log_in(self) -> None:
        """Send what logs in. Raises IgnoreRequest where that cannot be done."""
        self._outgoing.token = ""
        await (self._send_json() if self._order.params.login_json else self._fill_in_form())

    async def _send_json(self) -> None:
        params = self._order.params
        answer = await self._crawler.engine.download_async(
            Request(
                params.login_url,
                method="POST",
                body=params.login_json,
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                dont_filter=True,
                meta={_OURS: True},
            )
        )
        if answer.status >= 500 or answer.status in _NO_LOGIN:
            raise IgnoreRequest(f"the login was answered {answer.status}: {answer.url}")
        if not params.login_token:
            return
        token = find_token(_text(answer), params.login_token)
        if not token:
            raise self._refused(
                f"its answer, {answer.status}, has no token that a header can hold at login_token, "
                f"{params.login_token!r}"
            )
        self._outgoing.token = token

    async def _fill_in_form(self) -> None:
        params = self._order.params
        page = await self._crawler.engine.download_async(
            Request(params.login_url, dont_filter=True, meta={_OURS: True})
        )
        if page.status >= 400:
            raise IgnoreRequest(f"the login page answered {page.status}: {params.login_url}")
        if not isinstance(page, TextResponse) or not page.xpath(_FORM):
            raise IgnoreRequest(f"login_url has no form with a field for a password: {page.url}")
        form = FormRequest.from_response(
            page, formxpath=_FORM, formdata=dict(pairs(params.login)), dont_filter=True, meta={_OURS: True}
        )
        if form.method != "POST":
            raise IgnoreRequest("the login form is sent by GET, so that the password would stand in an address")
        if origin(form.url) not in {origin(params.login_url), origin(self._order.url)}:
            raise IgnoreRequest(
                f"the login form is sent to {origin(form.url)}, which is neither the site nor where login_url is"
            )
        answer = await self._crawler.engine.download_async(form)
        if answer.status >= 500 or answer.status == 429:
            raise IgnoreRequest(f"the login was answered {answer.status}: {form.url}")

    def _refused(self, why: str) -> IgnoreRequest:
        sentence = f"the login at {self._order.params.login_url} was refused: {why}"
        self._crawler.stats.set_value(REFUSED, sentence)
        self._crawler.stats.set_value("crawlpush/problem", sentence)
        return IgnoreRequest(sentence)

    def _restored(self) -> CookieJar:
        middleware = self._crawler.get_downloader_middleware(CookiesMiddleware)
        assert middleware is not None
        jar: CookieJar = middleware.jars[None]
        if self._order.kept:
            from cryptography.fernet import InvalidToken

            try:
                kept = json.loads(fernet(self._order.key).decrypt(self._order.kept.encode()))
                has_token = isinstance(kept, dict)
                for each in kept["cookies"] if has_token else kept:
                    jar.set_cookie(Cookie(**each))
                self._outgoing.token = str(kept["token"]) if has_token else ""
            except (InvalidToken, KeyError, TypeError, ValueError):
                # Another key by now, or another version's: there is a new login then.
                jar.clear()
        return jar

    def _encrypted(self) -> str:
        assert self._jar is not None
        cookies = [{name.removeprefix("_"): value for name, value in vars(each).items()} for each in self._jar.jar]
        token = self._outgoing.token
        # Cookies alone as the release before this one had them.
        text = json.dumps({"cookies": cookies, "token": token} if token else cookies)
        if len(text) > JAR_LENGTH:
            return ""
        encrypted: bytes = fernet(self._order.key).encrypt(text.encode())
        return encrypted.decode()


def find_token(text: str, where: str) -> str:
    """The token in the answer to a login; "" where there is none, or none that a header can hold. Pure."""
    try:
        token = text_of(search(where, read_json(text).value)).strip()
    except (ExpressionError, NotJSONError):
        return ""
    return token if token.isascii() and token.isprintable() and len(token) <= TOKEN_LENGTH else ""


def _is_page(request: Request) -> bool:
    """Whether a request is for a page of the list, and not for robots.txt, for a post, or a part of the login."""
    return robots_origin(request) is None and not request.meta.get(_OURS) and POST not in request.meta


def _text(response: Response) -> str:
    content_type = (response.headers.get("Content-Type") or b"").decode("latin-1")
    return decode(response.body, content_type=content_type).text


def shows_login(text: str, mark: str) -> bool:
    """Whether a page shows the mark: a selector that finds something in HTML, an expression that is true of JSON.

    A page of the other kind than the mark is for does not show it.
    """
    try:
        if text.lstrip("\ufeff \t\r\n").startswith(("{", "[", ")]}'")):
            return is_true(search(mark, opened_again(read_json(text).value)))
        return bool(compile_selector(mark).find(parse_html(text)))
    except (ExpressionError, NotJSONError, SelectorError):
        return False
