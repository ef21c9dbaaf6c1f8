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
from spiders.reading.expressions import ExpressionError, compile_expression
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
LOGIN: Final = ("login_url", "login", "login_json", "login_token", "login_header", "logged_in")
"""The parameters of a session."""
_LOGIN_NEEDS: Final = {"login_token": "login_json", "login_header": "login_token"}
TOKEN: Final = "{token}"  # noqa: S105
"""The token's place in login_header."""
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
    # Or a JSON text that is sent to `login_url` in place of a form.
    login_json: str = ""
    # JMESPath: where in the answer to that stands a token, and the header that each request then has, with {token}.
    login_token: str = ""
    login_header: str = ""
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
        for name in ("json", "login_json"):
            if text := getattr(self, name):
                try:
                    json.loads(Place(cursor="x").in_json(text))
                except (ValueError, RecursionError) as error:
                    raise ParamsError(f"{name}: {shown(text)} is not valid JSON: {error}") from error
        for name in ("form", "json", "headers", "cookies", "login", "login_json", "login_url", "login_header"):
            value = getattr(self, name)
            for each in (value,) if isinstance(value, str) else value:
                _check(name, each)
        self._check_login()

    def _check_login(self) -> None:
        given = [name for name in LOGIN if getattr(self, name)]
        if not given:
            return
        if self.login and self.login_json:
            raise ParamsError("login is filled into a form, and login_json is sent in place of one: give one of them")
        for name, needed in _LOGIN_NEEDS.items():
            if name in given and needed not in given:
                raise ParamsError(f"{name} needs {needed}, which is missing")
        missing = [
            name
            for name, is_there in (
                ("login_url", self.login_url),
                ("login", self.login or self.login_json),
                ("logged_in", self.logged_in),
            )
            if not is_there
        ]
        if missing:
            raise ParamsError(
                f"login_url, login (or login_json) and logged_in belong together, and {missing[0]} is missing"
            )
        if not origin(self.login_url).startswith(("http://", "https://")) or "@" in self.login_url:
            raise ParamsError("login_url must be an absolute http or https address, without a name and password in it")
        if not any(map(has_secret, (*self.login, self.login_json))):
            raise ParamsError(
                f"{'login_json' if self.login_json else 'login'}: the password would stand in the database and in "
                "exports: write it as secret:NAME, such as password=secret:BOARD_PASSWORD"
            )
        for name, check in (("logged_in", mark_of_login), ("login_token", compile_expression)):
            try:
                check(getattr(self, name) or "@")
            except (ParamsError, ExpressionError) as error:
                raise ParamsError(f"{name}: {error}") from error

    @property
    def token_header(self) -> tuple[str, str]:
        """The name of the header that shows the token of a login, and its value, with TOKEN in it."""
        ((name, value),) = pairs((self.login_header or f"Authorization: Bearer {TOKEN}",), ":")
        return name, value


def _check(name: str, text: str) -> None:
    try:
        check_secrets(text)
    except ValueError as error:
        raise ParamsError(f"{name}: {error}") from error
    if text and name in _CHECKS and (problem := _CHECKS[name](text)):
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


def _token_header_problem(text: str) -> str:
    if TOKEN not in text:
        return f"does not say where the token goes: write for example X-Auth-Token: {TOKEN}"
    return _header_problem(text.replace(TOKEN, "secret:TOKEN"))


def _cookie_problem(text: str) -> str:
    name, separator, value = text.partition("=")
    if not separator or not _TOKEN.fullmatch(name.strip()):
        return "is not of the form name=value"
    return "" if _COOKIE_VALUE.fullmatch(value.strip()) else "has signs that no cookie may have"


_CHECKS: Final = {
    "form": _form_problem,
    "login": _form_problem,
    "headers": _header_problem,
    "cookies": _cookie_problem,
    "login_header": _token_header_problem,
}


def pairs(entries: tuple[str, ...], separator: str = "=") -> list[tuple[str, str]]:
    """Names and values of entries such as "name=value"."""
    return [(name.strip(), value.strip()) for name, _, value in (each.partition(separator) for each in entries)]
