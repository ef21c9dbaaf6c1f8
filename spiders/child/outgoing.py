"""What a site's own requests say besides their address: its headers and cookies, and its secrets, filled in at last.

Everything before, Scrapy's queues, middlewares, logs and errors included, knows a secret's name alone.
"""

import json
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import quote_plus

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy import Request

from pipeline.basics.access import MASK, origin
from pipeline.basics.secrets import MARK, secret
from spiders.errors import SpiderError
from spiders.request_params import TOKEN, RequestParams, pairs
from spiders.robots import robots_origin

_SHORTEST: Final = 4
"""A shorter value is not looked for in texts: it stands in too many by chance."""


class Outgoing:
    """Completes the requests of one site's crawl, those to the site's own origin."""

    def __init__(self, params: RequestParams, url: str, environment: Mapping[str, str]) -> None:
        self._origin = origin(url)
        # What is filled into a form may go to the login's server too.
        self._origins = {self._origin, origin(params.login_url)} - {""}
        self._headers = pairs(params.headers, ":")
        self._cookies = pairs(params.cookies)
        self._environment = environment
        # What the definition names, and nothing else: a page's hidden fields and cursors go out with the request too,
        # and whoever serves them could name any variable.
        said = (*params.headers, *params.cookies, *params.form, *params.login, params.json, params.login_json)
        self._names = frozenset(found["name"] for each in said for found in MARK.finditer(each))
        self._used: set[str] = set()
        self._token_header = params.token_header
        self._token = ""

    @property
    def token(self) -> str:
        """What a login gave out, which each request to the site's own origin then shows; "" for none."""
        return self._token

    @token.setter
    def token(self, token: str) -> None:
        self._token = token
        self._used.update(filter(None, (token,)))

    def complete(self, request: Request) -> Request:
        """The request as it goes out. Raises SpiderError where a secret is missing, or would go to another host."""
        own = origin(request.url) == self._origin and robots_origin(request) is None
        has_body = any(found["name"] in self._names for found in MARK.finditer(request.body.decode("latin-1")))
        if has_body and origin(request.url) in self._origins:
            return self._completed(request, own=own)
        if not own:
            if has_body:
                there = origin(request.url)
                raise SpiderError(
                    f"the request is sent on to {there}, and the site's secrets are for {self._origin} alone"
                )
            return request
        return self._completed(request, own=True) if self._headers or self._cookies or self._token else request

    def _completed(self, request: Request, *, own: bool) -> Request:
        headers = request.headers.copy()
        try:
            for name, value in self._headers if own else ():
                headers[name] = self._filled(value)
            if self._token and own:
                name, value = self._token_header
                headers[name] = value.replace(TOKEN, self._token)
            if self._cookies and own:
                headers["Cookie"] = self._with_cookies((headers.get("Cookie") or b"").decode("latin-1"))
            return request.replace(headers=headers, body=self._body(request))
        except ValueError as error:
            raise SpiderError(str(error)) from None

    def _filled(self, text: str) -> str:
        return self._put(text, self._value)

    def _value(self, name: str) -> str:
        value = secret(name, self._environment)
        if not value.isprintable():
            raise ValueError(f"the value of {name} in the environment has line breaks or signs that nobody sees")
        self._used.add(value)
        return value

    def _with_cookies(self, before: str) -> str:
        """The jar's cookies and the site's own, of which those go first that the server has set meanwhile."""
        own = [f"{name}={self._filled(value)}" for name, value in self._cookies if name not in _names(before)]
        return "; ".join(filter(None, (before, *own)))

    def _body(self, request: Request) -> bytes:
        is_json = b"json" in (request.headers.get("Content-Type") or b"")
        encoding = request.encoding

        def value(name: str) -> str:
            text = self._value(name)
            return (
                json.dumps(text)[1:-1] if is_json else quote_plus(text, encoding=encoding, errors="xmlcharrefreplace")
            )

        # Bytes beyond ASCII pass through as they are: a form has none, and JSON is escaped where a secret is put in.
        return self._put(request.body.decode("latin-1"), value).encode("latin-1")

    def _put(self, text: str, value: Callable[[str], str]) -> str:
        """A text with the values of the secrets that are the definition's own."""
        return MARK.sub(lambda found: value(found["name"]) if found["name"] in self._names else found[0], text)

    def without_secrets(self, text: str) -> str:
        """A text that a server may have had a part in, without the secrets that were sent to it."""
        for value in self._used:
            for form in {value, quote_plus(value), json.dumps(value)[1:-1]}:
                if len(form) >= _SHORTEST:
                    text = text.replace(form, MASK)
        return text


def _names(cookies: str) -> frozenset[str]:
    try:
        return frozenset(SimpleCookie(cookies))
    except CookieError:
        return frozenset()
