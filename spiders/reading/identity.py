"""What makes two sightings the same post: canonical links and ids that survive redesigns of the address."""

import hashlib
import re
from collections.abc import Collection, Sequence
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

from w3lib.url import canonicalize_url, safe_url_string

_TRACKING: Final = re.compile(
    r"(?:utm_\w+|fbclid|gclid|dclid|gbraid|wbraid|msclkid|yclid|twclid|igshid|mc_[ce]id|_ga|_gl|_hs\w+|mkt_tok|"
    r"at_(?:medium|campaign|link\w*|custom\d|format|ptr_name|bbc_team)|ns_(?:mchannel|source|campaign|linkname|fee)|"
    r"xtor|ocid|spm|cmpid|wt\.\w+|pk_(?:campaign|kwd|source|medium)|trk|__twitter_impression)",
    re.IGNORECASE,
)
_SESSION: Final = re.compile(
    r"(?:phpsessid|jsessionid|aspsessionid\w*|sessionid|session_id|sessid|cfid|cftoken|oscsid|zenid|_csrf)",
    re.IGNORECASE,
)
_SHORT_SESSION: Final = re.compile(r"s|sid|session|hash|token", re.IGNORECASE)
"""Names that mean a session only when the value looks like one: "sid" is also a story's number."""
_SESSION_VALUE: Final = re.compile(r"[0-9a-f]{26,64}|[0-9A-Z]{32}", re.IGNORECASE)
PATH_SESSION: Final = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/?#;]*|/\((?:S\([^)/]*\))+\)", re.IGNORECASE)
"""A session's number inside a path."""

_LIST_STATE: Final = re.compile(
    r"(?:page|pageno|pagenum|pageindex|page_?size|pageunit|pagenumber|currentpage|currentpageno|curpage|cur_page|"
    r"cpage|nowpage|gotopage|page_no|page_num|pg|paged|listpage|prepage|rowsperpage|recordcountperpage|"
    r"article\.offset|articlelimit|article_offset|pager\.offset|"
    r"search\w*|srch\w*|schkeyword|sfl|stx|sst|sod|spt|sop|sca|keyfield|keyword|divpage|sn1?|ss|sc|select_arrange|"
    r"sort|sortby|sort_?order|order_?by|order|orderdirection|desc|asc|od|po|groupcd|topicseen|p_rel)",
    re.IGNORECASE,
)
"""Parameters by which a post's address remembers from which page, search or order of the list it was opened."""

_POSITION: Final = re.compile(
    r"(?:|top|new|unread|newpost|last|lastpost|bottom|comments?(?:[-_]?\w+)?|respond|reply\w*|cmt\w*|more|more-\d+|"
    r"disqus_thread|(?:post|pid|msg|p)[-_]?\d+)",
    re.IGNORECASE,
)
_FRAGMENT_TRACKING: Final = re.compile(r"(?:xtor|echobox|utm_\w+|ftag|rss\w*|ref)=.*", re.IGNORECASE)

_NOWHERE: Final = re.compile(
    r"(?:[!;/#]*|none|no|view|self|link|void|null|nolink|nogo|noaction|dummy|blank|this|javascript|n|a|0|_)[;!]?",
    re.IGNORECASE,
)
"""Fragments that only keep the browser where it is, while a script opens the post."""

_UNUSABLE: Final = re.compile(r"\s*(?:javascript|mailto|tel|data|about|vbscript|file|blob)\s*:", re.IGNORECASE)


def resolve(base: str, href: str, encoding: str = "utf-8") -> str | None:
    """The absolute http(s) address of an href; None for `#`, javascript:, mailto:, and what is no address.

    Blanks and raw characters are escaped as browsers do: those of the query in the encoding of the page.
    """
    href = href.strip().replace("\n", "").replace("\r", "").replace("\t", "")
    if not href or _UNUSABLE.match(href):
        return None
    try:
        url = _escaped(urljoin(base, href), encoding)
        parts = urlsplit(url)
        _ = parts.port
        here = urlsplit(safe_url_string(base))
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    # An href that ends in "#" or "#none" and goes nowhere else only wakes a script.
    same_page = (parts.netloc, parts.path, parts.query) == (here.netloc, here.path, here.query)
    if same_page and _NOWHERE.fullmatch(parts.fragment):
        return None
    return url


def _escaped(url: str, encoding: str) -> str:
    if not (url.isascii() or encoding == "ascii" or encoding.startswith("utf")):
        before, sharp, fragment = url.partition("#")
        path, mark, query = before.partition("?")
        # A sign that the encoding lacks goes out as a reference (URL Standard, "percent-encode after encoding").
        parts = (each if each.isascii() else quote(each.encode(encoding, "xmlcharrefreplace")) for each in query)
        url = f"{path}{mark}{''.join(parts)}{sharp}{fragment}"
    return safe_url_string(url)


def without_sessions(urls: Sequence[str]) -> list[str]:
    """Addresses of different posts for readers to open: without the session id that the site gave the crawler.

    Nothing else in them is touched. Where the rest does not tell two posts apart it was no session's.
    """
    opened = [_without_session(url) for url in urls]
    meant: dict[str, set[str]] = {}
    for url, without in zip(urls, opened, strict=True):
        meant.setdefault(without, set()).add(url)
    return [without if len(meant[without]) == 1 else url for url, without in zip(urls, opened, strict=True)]


def _without_session(url: str) -> str:
    parts = urlsplit(url)
    path = PATH_SESSION.sub("", parts.path)
    separator = "&" if "&" in parts.query else ";"
    fields = parts.query.split(separator)
    kept = [field for field in fields if not _is_session(*field.partition("=")[::2])]
    if path == parts.path and len(kept) == len(fields):
        return url
    return urlunsplit(parts._replace(path=path, query=separator.join(kept)))


FRAGMENT: Final = "#"
"""Stands for an address's fragment among the names of its parameters."""


def canonical_link(
    url: str,
    *,
    ignore_query: Collection[str] = (),
    list_state: bool = True,
    positions: bool = True,
    keep: Collection[str] = (),
) -> str:
    """The part of a link that says which post it is, without scheme and "www.".

    Left out: session ids, tracking, parameters named in `ignore_query`; with `list_state` also the parameters by
    which a list remembers itself (as long as something else tells the posts apart), and with `positions`
    fragments that point into a post (`#comments`). What `keep` names (in small letters) stays whatever it looks like.
    A site that moves to https keeps its posts' ids.
    """
    try:
        parts = urlsplit(safe_url_string(url.strip()))
        host = (parts.hostname or "").removeprefix("www.")
        port = parts.port
    except ValueError:
        return url.strip()
    if port and port not in {80, 443}:
        host = f"{host}:{port}"
    path = PATH_SESSION.sub("", parts.path) or "/"
    query = _query(parts.query, path, {name.lower() for name in ignore_query}, list_state, keep)
    fragment = parts.fragment if FRAGMENT in keep else _fragment(parts.fragment, positions)
    try:
        canonical = canonicalize_url(urlunsplit(("http", host, path, query, fragment)), keep_fragments=True)
    except ValueError:
        return url.strip()
    return canonical.removeprefix("http://")


def query_pairs(query: str) -> list[tuple[str, str]]:
    """The parameters of a query in order. Their bytes are kept as Latin-1, because not every query is UTF-8."""
    return parse_qsl(_separated(query), keep_blank_values=True, encoding="latin-1")


def _separated(query: str) -> str:
    # Semicolons separate parameters in several boards' addresses (SMF), as HTML 4 recommended.
    return query.replace(";", "&") if ";" in query and "%3B" not in query.upper() else query


def _query(query: str, path: str, ignore: Collection[str], list_state: bool, keep: Collection[str]) -> str:
    if "=" not in query:
        return _separated(query)
    pairs = [
        (name, value)
        for name, value in query_pairs(query)
        if name.lower() not in ignore and (name.lower() in keep or not _is_noise(name, value))
    ]
    if list_state:
        kept = [pair for pair in pairs if pair[0].lower() in keep]
        told_apart = [pair for pair in pairs if pair not in kept and not _LIST_STATE.fullmatch(pair[0])]
        if any(value for _, value in told_apart) or re.search(r"\d", path):
            # "page=2" tells where the list stood; "page=about" and "order=17" alone say which post it is.
            pairs = told_apart + kept
    return urlencode(pairs, encoding="latin-1")


def _is_noise(name: str, value: str) -> bool:
    return bool(_TRACKING.fullmatch(name)) or _is_session(name, value)


def _is_session(name: str, value: str) -> bool:
    if _SESSION.fullmatch(name):
        return True
    return bool(_SHORT_SESSION.fullmatch(name) and _SESSION_VALUE.fullmatch(value))


def _fragment(fragment: str, positions: bool) -> str:
    if _FRAGMENT_TRACKING.fullmatch(fragment):
        return ""
    return "" if positions and _POSITION.fullmatch(fragment) else fragment


def pattern_id(pattern: re.Pattern[str], text: str) -> str | None:
    """A site's own id: what the pattern's groups hold (or all of its match), in the text or its unescaped form."""
    found = pattern.search(text) or pattern.search(unquote(text))
    if found is None:
        return None
    groups = [group for group in found.groups() if group]
    return "/".join(groups) if groups else found.group() or None


def content_id(*texts: str) -> str:
    """The identity of a post that has neither id nor link: a digest of what it says."""
    return "sha256:" + hashlib.sha256("\x00".join(texts).encode("utf-8", "replace")).hexdigest()
