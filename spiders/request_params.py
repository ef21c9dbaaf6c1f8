"""How a site's pages are asked for: method, form, headers, cookies; for every spider, also one with code of its own."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from pipeline.basics.access import origin
from pipeline.basics.secrets import check_secrets, has_secret
from spiders.param_checks import mark_of_login
from spiders.param_values import ParamsError, chosen
from spiders.reading.places import PLACE, Place

METHODS: Final = ("GET", "POST")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header or a cookie (RFC 9110, section 5.6.2)."""
_COOKIE_VALUE: Final = re.compile(r"[!#-+\--:<-\[\]-~]*|\"[!#-+\--:<-\[\]-~]*\"")
"""RFC 6265, section 4.1.1."""
_NOT_OURS: Final = {
    "user-agent": "it names crawlpush and CRAWL_CONTACT, so that the site's owner can reach you",
    "cookie": "give cookies by the parameter cookies",
    **dict.fromkeys(
        ("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect",
         "accept-encoding", "range", "if-none-match", "if-modified-since"),
        "crawlpush sets it itself",
    ),
}  # fmt: skip
"""Headers that no site may set, and why."""
_CREDENTIALS: Final = frozenset({"authorization", "proxy-authorization"})


@dataclass(frozen=True, kw_only=True)
class RequestParams:
    """How a site's pages are asked for. A value may name secrets, which nothing here knows (basics.secrets)."""

    # GET or POST; without it POST where there is a form or JSON to send.
    method: str = ""
    # Fields of a form, "name=value"; PLACES in it say which page is asked for.
    form: tuple[str, ...] = ()
    # A JSON text to send, with the same places.
    json: str = ""
    # "Name: value"; sent to the origin of `url` alone.
    headers: tuple[str, ...] = ()
    # "name=value"; the same.
    cookies: tuple[str, ...] = ()
    # The page with the login form, where the site wants a session; the form's own hidden fields are carried.
    login_url: str = ""
    # Fields to fill in, "name=value".
    login: tuple[str, ...] = ()
    # What a page shows to whoever is logged in alone: a selector, or JMESPath for JSON.
    logged_in: str = ""

    @staticmethod
    def of(values: Mapping[str, Any]) -> "RequestParams":
        """Those among a site's parameters, checked and converted. Raises ParamsError."""
        params = RequestParams(**chosen(RequestParams, values))
        params.check_request()
        return params

    @property
    def verb(self) -> str:
        """The method that pages are asked for by."""
        return self.method.upper() or ("POST" if self.form or self.json else "GET")

    @property
    def has_place(self) -> bool:
        """Whether what is sent says which page is asked for."""
        return any(PLACE.search(each) for each in (*self.form, self.json))

    def sent(self, place: Place, encoding: str) -> tuple[str, str]:
        """What is sent for a page, and its media type; two empty texts where nothing is."""
        if self.json:
            return place.in_json(self.json), "application/json"
        if self.form:
            fields = [(name, place.in_text(value)) for name, value in pairs(self.form)]
            return urlencode(fields, encoding=encoding, errors="xmlcharrefreplace"), "application/x-www-form-urlencoded"
        return "", ""

    def check_request(self) -> None:
        """Raise ParamsError for what is wrong with these parameters."""
        if self.method and self.method.upper() not in METHODS:
            raise ParamsError(f"method is {self.method!r}; it must be GET or POST")
        if self.form and self.json:
            raise ParamsError("form and json are two ways to send something: give one of them")
        if self.verb == "GET" and (self.form or self.json):
            raise ParamsError("a form or json is sent by POST: leave method out, or write the fields into url")
        if self.json:
            try:
                json.loads(Place(cursor="x").in_json(self.json))
            except (ValueError, RecursionError) as error:
                raise ParamsError(f"json: {shown(self.json)} is not valid JSON: {error}") from error
        for name in ("form", "json", "headers", "cookies", "login", "login_url"):
            value = getattr(self, name)
            for each in (value,) if isinstance(value, str) else value:
                _check(name, each)
        self._check_login()

    def _check_login(self) -> None:
        missing = [name for name in ("login_url", "login", "logged_in") if not getattr(self, name)]
        if len(missing) == 3:
            return
        if missing:
            raise ParamsError(f"login_url, login and logged_in belong together, and {missing[0]} is missing")
        if not origin(self.login_url).startswith(("http://", "https://")) or "@" in self.login_url:
            raise ParamsError("login_url must be an absolute http or https address, without a name and password in it")
        if not any(map(has_secret, self.login)):
            raise ParamsError(
                "login: the password would stand in the database and in exports: write it as secret:NAME, such as "
                "password=secret:BOARD_PASSWORD"
            )
        try:
            mark_of_login(self.logged_in)
        except ParamsError as error:
            raise ParamsError(f"logged_in: {error}") from error


def _check(name: str, text: str) -> None:
    try:
        check_secrets(text)
    except ValueError as error:
        raise ParamsError(f"{name}: {error}") from error
    if name in _CHECKS and (problem := _CHECKS[name](text)):
        raise ParamsError(f"{name}: {shown(text)} {problem}")


def shown(text: str) -> str:
    """The beginning of an entry, without its value, which may be one that nobody is to see."""
    found = re.match(r"[\w-]*\s*[=:]?", text)
    return repr((found[0] if found else "") + ("..." if len(text) > len(found[0] if found else "") else ""))


def _form_problem(text: str) -> str:
    return "" if text.partition("=")[1] and not text.startswith("=") else "is not of the form name=value"


def _header_problem(text: str) -> str:
    name, colon, value = text.partition(":")
    if not colon or not _TOKEN.fullmatch(name.strip()) or not value.strip().isprintable():
        return "is not of the form Name: value"
    if not value.strip().isascii():
        return "has signs that no header may have"
    if why := _NOT_OURS.get(name.strip().lower()):
        return f"cannot be set: {why}"
    if name.strip().lower() in _CREDENTIALS and not has_secret(value):
        return "would stand in the database and in exports: write its value as secret:NAME, such as Bearer secret:NAME"
    return ""


def _cookie_problem(text: str) -> str:
    name, separator, value = text.partition("=")
    if not separator or not _TOKEN.fullmatch(name.strip()):
        return "is not of the form name=value"
    return "" if _COOKIE_VALUE.fullmatch(value.strip()) else "has signs that no cookie may have"


_CHECKS: Final = {"form": _form_problem, "login": _form_problem, "headers": _header_problem, "cookies": _cookie_problem}


def pairs(entries: tuple[str, ...], separator: str = "=") -> list[tuple[str, str]]:
    """Names and values of entries such as "name=value"."""
    return [(name.strip(), value.strip()) for name, _, value in (each.partition(separator) for each in entries)]
