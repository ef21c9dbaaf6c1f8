"""What an address answered when it was not the list of posts that somebody expected, and what to do about it. Pure.

Asked only about pages on which no posts were found: most marks that it goes by stand on good pages too.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from lxml import etree
from w3lib.html import get_base_url

from spiders.reading.encoding import decode
from spiders.reading.feed_links import announced_feeds
from spiders.reading.identity import resolve
from spiders.reading.listing_page import parse_html
from spiders.reading.text import clean, element_text

SHELL_TEXT: Final = 1_500
"""Characters of visible text below which a page is a shell: a wall, a form, a stub, not a list of anything."""
SHELL_LINKS: Final = 15
"""Links with a text of their own, of which a shell has at most so many."""

LOOK_AT: Final = 1_000_000
"""Bytes of a page by which it is judged: what is no list shows it early, and a hostile page must not cost much."""

OWN_SPIDER: Final = 'docs/sites.md, "A site that needs code", says how such a site is watched'


@dataclass(frozen=True, kw_only=True)
class PageKind:
    """What a page is."""

    # The rule's, such as "challenge" or "frames": _RULES has them all.
    name: str
    # What it is and what to do, for the site's owner; no full stop at its end.
    sentence: str
    # It cannot be the page that was meant. Otherwise it may be, and this is a hint.
    is_other: bool


@dataclass(frozen=True, kw_only=True)
class _Page:
    """The facts that the rules go by, each worked out when a rule asks for it."""

    body: bytes
    url: str
    content_type: str = ""
    status: int = 200
    # Names in small letters.
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        return decode(self.body, content_type=self.content_type).text

    @cached_property
    def root(self) -> etree._Element:
        return parse_html(self.text)

    @cached_property
    def base(self) -> str:
        return get_base_url(self.text, self.url)

    @cached_property
    def visible(self) -> str:
        return element_text(self.root)

    @cached_property
    def title(self) -> str:
        return clean(self.root.findtext(".//title") or "")

    @cached_property
    def scripts(self) -> str:
        """All that scripts and their addresses say."""
        parts = [f"{each.get('src') or ''} {each.text or ''}" for each in self.root.iter("script")]
        return "\n".join(parts)

    @cached_property
    def is_shell(self) -> bool:
        """Whether there is too little to read for a list of posts."""
        links = (each for each in self.root.iter("a") if each.get("href") and element_text(each))
        return len(self.visible) < SHELL_TEXT and sum(1 for _ in islice(links, SHELL_LINKS + 1)) <= SHELL_LINKS


def page_kind(
    body: bytes | str,
    url: str,
    *,
    content_type: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> PageKind | None:
    """Name what a page without posts is; None when nothing speaks for any kind, as with an ordinary page.

    `url` is where it came from, after redirects; the names in `headers` may be in any case.
    """
    page = _Page(
        body=(body.encode("utf-8", "ignore") if isinstance(body, str) else body)[:LOOK_AT],
        url=url,
        content_type="text/html; charset=utf-8" if isinstance(body, str) else content_type,
        status=status,
        headers={name.lower(): value for name, value in (headers or {}).items()},
    )
    for name, rule in _RULES:
        if sentence := rule(page):
            return PageKind(name=name, sentence=sentence, is_other=name not in _HINTS)
    return None


def _empty(page: _Page) -> str:
    if page.status >= 400 or page.body.strip(b" \t\r\n\x00\xef\xbb\xbf"):
        return ""
    return "the answer is empty: open the address in a browser, and if it shows a page there, the site refuses crawlers"


_MAGIC: Final = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a zip file (an office document perhaps)"),
    (b"\xd0\xcf\x11\xe0", "an office document"),
    (b"\x1f\x8b", "gzip that cannot be unpacked"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
)
"""The first bytes of what is no text, as file(1) knows them."""


def _file(page: _Page) -> str:
    what = next((what for magic, what in _MAGIC if page.body.startswith(magic)), "")
    return what and f"the address answered with {what}, not with a page: give the address of the list itself"


def _json(page: _Page) -> str:
    start = page.text.lstrip("\ufeff \t\r\n")
    if not start.startswith(("{", "[")):
        return ""
    try:
        json.JSONDecoder(strict=False).raw_decode(start)
    except (ValueError, RecursionError):
        if "json" not in page.content_type.lower() and len(page.body) < LOOK_AT:
            return ""
    return (
        "the address answered with JSON that is no JSON Feed: the spider json reads it, once it is told where in it "
        'the posts are (docs/sites.md, "json")'
    )


_WALLS: Final = (
    ("Cloudflare", r"cdn-cgi/challenge-platform/h/|_cf_chl_|cf-browser-verification|cf-error-details"),
    ("Cloudflare Turnstile", r"challenges\.cloudflare\.com/turnstile"),
    ("DDoS-Guard", r"ddos-guard"),
    ("Sucuri", r"sucuri_cloudproxy|sucuri\.net"),
    ("Imperva", r"_Incapsula_Resource|incapsula"),
    ("Akamai", r"/_sec/cp_challenge|ak_bmsc|sec-if-cpt-container"),
    ("DataDome", r"captcha-delivery\.com|geo\.captcha|datadome"),
    ("HUMAN", r"px-captcha|_pxAppId|perimeterx"),
    ("AWS WAF", r"awswaf|AwsWafIntegration|gokuProps"),
    ("Anubis", r"within\.website/x/cmd/anubis|anubis_challenge"),
    ("Vercel", r"vercel security checkpoint|_vercel/security"),
    ("Kasada", r"ips\.js\?|kpsdk"),
    ("Qrator", r"__qrator"),
    ("a captcha", r"g-recaptcha|h-captcha|hcaptcha\.com/1|recaptcha/api\.js"),
    ("a cookie that a script must set", r"document\.cookie\s*=[^\0]{0,400}(?:location|reload|submit)|__test=|slowAES"),
)
"""Who stands in the way, and marks of their pages. On a page with a text to read they prove nothing."""
_WALL_WORDS: Final = re.compile(
    r"just a moment|attention required|checking (?:if the site|your browser)|verify(?:ing)? (?:that )?you are "
    r"(?:a )?human|are you (?:a )?(?:human|robot)|enable javascript and cookies|ddos protection by|security check"
    r"|access denied|unusual traffic|로봇이 아닙니다|자동 ?접속|비정상적인 (?:접근|접속)|보안문자",
    re.IGNORECASE,
)


def _challenge(page: _Page) -> str:
    who = "Cloudflare" if page.headers.get("cf-mitigated", "").lower() == "challenge" else ""
    if not who and page.is_shell:
        who = next((name for name, marks in _WALLS if re.search(marks, page.text, re.IGNORECASE)), "")
        if not who and _WALL_WORDS.search(f"{page.title} {page.visible} {page.text[:_LOOK_AT]}"):
            who = "the server"
    return who and (
        f"the address answered with a challenge for browsers ({who}), not with the page: crawlers do not get past it; "
        "ask the site's owner to let this User-Agent through, or take the site's feed"
    )


_LOOK_AT: Final = 20_000
_LOGIN: Final = re.compile(
    r"(?<!b)log[-_ ]?[io]n|sign[-_ ]?in|(?<![a-z])(?:sso|saml|oauth)|authenticate|로그인|ログイン|登录|登錄", re.I
)


def _login(page: _Page) -> str:
    password = next((each for each in page.root.iter("input") if (each.get("type") or "").lower() == "password"), None)
    handed_on = next(
        (each for each in page.root.iter("input") if (each.get("name") or "").lower() in {"samlrequest", "wresult"}),
        None,
    )
    path = urlsplit(page.url).path
    says_so = bool(_LOGIN.search(path) or _LOGIN.search(page.title))
    if page.status == 401 or handed_on is not None or (password is not None and (says_so or page.is_shell)):
        return (
            "the address answered with a login page: give the site login_url, login and logged_in (docs/sites.md, "
            '"Sessions"), or, where the server asks by HTTP Basic authentication, an address with a name and password '
            "(https://NAME:PASSWORD@host/...)"
        )
    if page.is_shell and re.search(
        r"login (?:is )?required|로그인(?:이|을)? ?(?:필요|후|하)", page.text[:_LOOK_AT], re.I
    ):
        return "the page says that one must log in to read it: give the site login_url, login and logged_in"
    return ""


_NO_CONTENT_FRAMES: Final = re.compile(
    r"youtube|youtu\.be|vimeo|googletagmanager|doubleclick|googlesyndication|facebook\.com|recaptcha|google\.com/maps"
    r"|/ads?[/.]|adserv|about:blank|^javascript:|^data:",
    re.IGNORECASE,
)
_MAIN_FRAME: Final = re.compile(r"main|content|body|board|bbs|list|right|center", re.IGNORECASE)


def _frames(page: _Page) -> str:
    tags = ("frame", "iframe") if page.is_shell else ("frame",)
    found = []
    for each in page.root.iter(*tags):
        source = (each.get("src") or each.get("data-src") or "").strip()
        address = "" if _NO_CONTENT_FRAMES.search(source) else resolve(page.base, source) or ""
        if address and address != page.url:
            named = " ".join(filter(None, (each.get("name"), each.get("id"), source)))
            found.append((not _MAIN_FRAME.search(named), address))
    addresses = list(dict.fromkeys(address for _, address in sorted(found, key=lambda each: each[0])))
    if not addresses:
        return ""
    others = f" (or {', '.join(addresses[1:4])})" if len(addresses) > 1 else ""
    return f"the page only holds frames, and the posts are in one of them: give its address, {addresses[0]}{others}"


_SENDS_ON: Final = re.compile(
    r"""\blocation(?:\.href)?\s*(?:=|\.(?:replace|assign)\s*\()\s*(["'])(?P<url>[^"'\s]{1,2000})\1"""
)
_REFRESH: Final = re.compile(r"""^\s*[\d.]+\s*[;,]?\s*(?:url\s*=)?\s*["']?(?P<url>[^"'\s]+)""", re.IGNORECASE)


def _moved(page: _Page) -> str:
    if not page.is_shell:
        return ""
    found = [
        match["url"]
        for each in page.root.iter("meta")
        if (each.get("http-equiv") or "").lower() == "refresh"
        for match in [_REFRESH.match(each.get("content") or "")]
        if match
    ]
    found += [match["url"] for match in _SENDS_ON.finditer(page.scripts)]
    here = page.url.partition("#")[0]
    addresses = (resolve(page.base, each) or "" for each in found)
    address = next((each for each in addresses if each and each.partition("#")[0] != here), "")
    return address and f"the page only sends browsers on: give the address that they end at, perhaps {address}"


def _feed(page: _Page) -> str:
    feeds = announced_feeds(page.root, page.base)
    return f"it is a page, which announces a feed: watch that, {feeds[0]}" if feeds else ""


_NO_SCRIPTS: Final = (
    "in the browser, and crawlpush runs no scripts: look in the browser's network view for the feed or JSON that it "
    f"loads, which the spiders feed and json read; else {OWN_SPIDER}"
)
_ROOTS: Final = frozenset({"root", "app", "__next", "__nuxt", "app-root", "gatsby", "___gatsby", "svelte", "q-app"})
_NEEDS_SCRIPT: Final = re.compile(
    r"(?:enable|activate|turn on|without|requires?|needs?) ?(?:your )?java ?script"
    r"|javascript (?:is |to be |must be )?(?:required|disabled|enabled)|자바스크립트",
    re.IGNORECASE,
)


def _script(page: _Page) -> str:
    if not page.is_shell or next(page.root.iter("script"), None) is None:
        return ""
    mounted = any((each.get("id") or "").lower() in _ROOTS and not element_text(each) for each in page.root.iter("div"))
    return f"the page is an empty shell that a script fills {_NO_SCRIPTS}" if mounted or _asks_for_scripts(page) else ""


def _asks_for_scripts(page: _Page) -> bool:
    said = (each.xpath("string()") for each in page.root.iter("noscript"))
    return bool(_NEEDS_SCRIPT.search(" ".join((page.visible, *said))))


_PLACEHOLDER: Final = re.compile(
    r"\{\{[^{}]{1,200}\}\}|<%=?[^<>%]{1,200}%>|\b(?:ng-repeat|v-for|x-for|data-ng-repeat|data-bind|\*ngFor)\s*=", re.I
)
_WAITING: Final = re.compile(r"(?:^|[\s_-])(?:loading|loader|spinner|skeleton)(?:$|[\s_-])", re.IGNORECASE)


def _template(page: _Page) -> str:
    waits = any(
        _WAITING.search(f"{each.get('class') or ''} {each.get('id') or ''}")
        for each in page.root.iter("div", "span", "img", "li", "tr", "td", "p")
    )
    if not waits and not _PLACEHOLDER.search(page.text):
        return ""
    return f"the page holds a place that a script fills {_NO_SCRIPTS}"


_LIST_NAME: Final = re.compile(r"list|board|bbs|post|article|result|news|item|notice|job|feed", re.IGNORECASE)
_ROWS: Final = 3
"""A table with so many rows is a list of something, so that an empty one beside it means nothing."""


def _hollow(page: _Page) -> str:
    filled = any(len(each.findall("tr")) >= _ROWS for each in page.root.iter("tbody", "table"))
    for each in page.root.iter("tbody", "ul", "ol"):
        named = f"{each.get('id') or ''} {each.get('class') or ''}".strip()
        if element_text(each) or each.find(".//img") is not None:
            continue
        if not (each.tag == "tbody" and not filled) and not _LIST_NAME.search(named):
            continue
        tag = f'<{each.tag} "{named}">' if named else f"<{each.tag}>"
        return (
            f"the page has an empty list, {tag}: either nothing is posted there now, or a script fills it {_NO_SCRIPTS}"
        )
    return ""


def _thin(page: _Page) -> str:
    """A shell that does not say so: more script than text."""
    if not page.is_shell or len(page.scripts) <= len(page.visible):
        return ""
    return f"the page has hardly any text, so that perhaps a script fills it {_NO_SCRIPTS}"


_RULES: Final[tuple[tuple[str, Callable[[_Page], str]], ...]] = (
    ("empty", _empty),
    ("file", _file),
    ("json", _json),
    ("challenge", _challenge),
    ("login", _login),
    ("frames", _frames),
    ("moved", _moved),
    ("script", _script),
    ("feed", _feed),
    ("template", _template),
    ("hollow", _hollow),
    ("thin", _thin),
)
"""Asked in this order; the first that says something is right."""
_HINTS: Final = frozenset({"feed", "template", "hollow", "thin"})
