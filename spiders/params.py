"""What a site says about its board or feed: parameters, checked once, with sentences for whoever typed them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from w3lib.encoding import resolve_encoding

from pipeline.basics.access import ADDRESSES, masked, tls_rules
from pipeline.basics.secrets import has_secret
from pipeline.basics.time_zones import find_zone
from spiders import param_checks as checks
from spiders.param_values import ParamsError, as_pattern, chosen, convert
from spiders.reading.dates import DATE_ORDERS
from spiders.reading.expressions import ExpressionError
from spiders.reading.selectors import SelectorError, compile_selector
from spiders.request_params import RequestParams

MAX_PAGES: Final = 50
"""More pages per crawl are a mirror, not a watch."""
MAX_POSTS: Final = 100
"""The same for posts' own pages."""

FEED_IDS: Final = ("auto", "guid", "link", "comments")
FEED_LINKS: Final = ("link", "comments")


@dataclass(frozen=True, kw_only=True)
class PostPageParams:
    """Whether the page of each new post is fetched, and how it is read; for every spider, also one with own code."""

    # Whether it is, where none of the selectors below says so: what has no selector is found by itself.
    post_page: bool = False
    # Selectors on a post's own page: its text, its files, its picture.
    post_body: str = ""
    post_attachments: str = ""
    post_image: str = ""
    # So many posts' pages are fetched in one crawl.
    max_posts: int = 20

    @classmethod
    def chosen(cls, values: Mapping[str, Any]) -> "PostPageParams":
        """Those among a site's parameters, checked and converted. Raises ParamsError."""
        params = PostPageParams(**chosen(PostPageParams, values))
        params.check_post_page()
        return params

    @property
    def is_wanted(self) -> bool:
        """Whether posts' pages are fetched at all."""
        return self.post_page or bool(self.post_body or self.post_attachments or self.post_image)

    def check_post_page(self) -> None:
        """Raise ParamsError for what is wrong with these parameters."""
        if not 1 <= self.max_posts <= MAX_POSTS:
            raise ParamsError(f"max_posts is {self.max_posts}; it must be between 1 and {MAX_POSTS}")
        for name in ("post_body", "post_attachments", "post_image"):
            try:
                if selector := getattr(self, name):
                    compile_selector(selector)
            except SelectorError as error:
                raise ParamsError(f"{name}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class SiteParams(PostPageParams, RequestParams):
    """What all general spiders know."""

    # The page or feed to crawl, http or https.
    url: str
    # IANA name of the zone that dates without one are in.
    timezone: str = "UTC"
    # Pages followed from the first one, itself included.
    max_pages: int = 1
    # Overrides what header and page declare.
    encoding: str = ""
    # Names of query parameters that do not belong to a post's identity.
    ignore_query: tuple[str, ...] = ()
    # What the server's TLS is forgiven: old, expired, sha256: and a fingerprint, ca: and a file (basics.access).
    tls: tuple[str, ...] = ()

    _checks: ClassVar[Mapping[str, Callable[[str], object]]] = {}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Check and convert parameters as they come from a command line (strings) or the database (JSON).

        A list may also be given as one string with a line per entry. None and "" mean "not given".
        """
        known = {each.name: each for each in fields(cls)}
        given: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise ParamsError(f"there is no parameter {name!r}; the parameters are {', '.join(sorted(known))}")
            if value is None or value == "":
                continue
            given[name] = convert(name, value, known[name].type)
        if "url" not in given:
            raise ParamsError("the parameter url is missing: it is the address of the page or feed")
        params = cls(**given)
        params._check()
        return params

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.timezone)

    def _check(self) -> None:
        _check_addresses(self)
        self.check_post_page()
        self.check_request()
        try:
            tls_rules(self.tls)
        except ValueError as error:
            raise ParamsError(str(error)) from error
        if find_zone(self.timezone) is None:
            raise ParamsError(f"timezone is {self.timezone!r}; it must be an IANA name such as Asia/Seoul or UTC")
        if not 1 <= self.max_pages <= MAX_PAGES:
            raise ParamsError(f"max_pages is {self.max_pages}; it must be between 1 and {MAX_PAGES}")
        if self.encoding and resolve_encoding(self.encoding) is None:
            raise ParamsError(f"encoding is {self.encoding!r}; it must be one that is known, such as euc-kr or utf-8")
        for name, check in self._checks.items():
            value = getattr(self, name)
            for each in (value,) if isinstance(value, str) else value:
                try:
                    if each:
                        check(each)
                except (SelectorError, ExpressionError, ParamsError) as error:
                    sentence, shown = str(error), repr(masked(each) if name in ADDRESSES else each)
                    raise ParamsError(f"{name}: {sentence if shown in sentence else f'{shown} {sentence}'}") from error


def _check_addresses(params: SiteParams) -> None:
    check_url(params.url)
    for name in (*ADDRESSES, "link_template"):
        if has_secret(getattr(params, name, "")):
            raise ParamsError(
                f"{name}: a secret in an address would be logged: send it in headers, cookies, form or json"
            )


def check_url(url: str) -> None:
    """Raise ParamsError unless it is an address that can be asked for."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ParamsError(f"url is {masked(url)!r}; it must be an absolute http or https address")


@dataclass(frozen=True, kw_only=True)
class RowParams(SiteParams):
    """What the spiders know that read rows, be they elements of a page or items of JSON; asked inside a row."""

    title: str = ""
    # The link's element, or its address.
    link: str = ""
    date: str = ""
    author: str = ""
    body: str = ""
    # What marks a pinned row.
    pinned: str = ""
    # Rows to leave out: what selects them, "link:" and a pattern for the address, or "title:" and one for the title.
    skip: tuple[str, ...] = ()
    # Parts of the title to leave out: "re:" and a pattern, or, in a page, a selector for badges.
    strip: tuple[str, ...] = ()
    # The link to the next page; in JSON also its cursor, or whether there is one.
    next: str = ""
    # The next pages' address with one of PLACES.
    page_template: str = ""
    # The post's address with fields in braces, where the row does not have it whole.
    link_template: str = ""
    # A site's own id: what selects it, or "re:" and a pattern for the link.
    id: str = ""
    # strptime's, when the usual forms are not enough.
    date_format: str = ""
    # How 03/04/2024 is meant: auto, DMY, MDY or YMD.
    date_order: str = "auto"

    _row_checks: ClassVar[Mapping[str, Callable[[str], object]]] = {
        "page_template": checks.page_template,
        "date_format": checks.date_format,
        "date_order": checks.one_of(*DATE_ORDERS),
    }


@dataclass(frozen=True, kw_only=True)
class ListingParams(RowParams):
    """How an HTML board is read. Selectors are CSS (with ::text and ::attr(name)) or XPath.

    Without `title` it is the text of the row's first link; without `link`, the link that the title is, lies in, or
    holds. The fields of `link_template` are attributes; {onclick.0} and {href.0} are a call's arguments.
    """

    # Selects the repeating element of a post.
    row: str = ""

    _checks: ClassVar[Mapping[str, Callable[[str], object]]] = {
        "row": checks.page_selector,
        "next": checks.page_selector,
        "title": checks.row_selector,
        "link": checks.row_selector,
        "date": checks.row_selector,
        "author": checks.row_selector,
        "body": checks.row_selector,
        "pinned": checks.row_selector,
        "skip": checks.selector_or_pattern,
        "strip": checks.selector_or_pattern,
        "id": checks.selector_or_pattern,
        "link_template": checks.link_template,
        **RowParams._row_checks,
    }

    def _check(self) -> None:
        if not self.row:
            raise ParamsError("the parameter row is missing: it selects the repeating element of a post, such as tr")
        super()._check()


@dataclass(frozen=True, kw_only=True)
class JSONParams(RowParams):
    """How JSON is read: an API's answer, or what a page embeds for its own scripts. Expressions are JMESPath."""

    # The list of posts in the whole answer.
    rows: str = ""
    # Where the JSON stands in a page: a selector for the script (or its text), or the name of a variable that a script
    # sets, such as window.__INITIAL_STATE__. Without it the whole answer is JSON.
    embedded: str = ""

    _checks: ClassVar[Mapping[str, Callable[[str], object]]] = {
        "rows": checks.expression,
        "next": checks.expression,
        "title": checks.expression,
        "link": checks.expression,
        "date": checks.expression,
        "author": checks.expression,
        "body": checks.expression,
        "pinned": checks.expression,
        "skip": checks.expression_or_pattern,
        "strip": checks.pattern_alone,
        "id": checks.expression_or_pattern,
        "link_template": checks.expression_template,
        "embedded": checks.embedded,
        **RowParams._row_checks,
    }

    def _check(self) -> None:
        for name, meaning in (
            ("rows", "it says where in the JSON the list of posts is, such as data.items (@ is the whole answer)"),
            ("title", "it says where in each row its title is, such as title or attributes.name"),
        ):
            if not getattr(self, name):
                raise ParamsError(f"the parameter {name} is missing: {meaning}")
        if not (self.link or self.link_template or self.id):
            raise ParamsError(
                "the parameter link is missing: it says where in each row its address is; where they have none, "
                "link_template makes it, such as https://board.example/view?no={id}, or id says which post is which"
            )
        super()._check()


@dataclass(frozen=True, kw_only=True)
class FeedParams(SiteParams):
    """How a feed is read."""

    # What identifies an entry: its guid, its link or its comments' address; auto takes the guid, else the link.
    id: str = "auto"
    # A pattern that finds the site's own id in what identifies an entry.
    id_pattern: str = ""
    # What a reader opens: the entry's link, or the page of its comments.
    link: str = "link"
    # Entries to leave out: "title:" or "link:" and a pattern.
    skip: tuple[str, ...] = ()
    # Parts of the title to leave out: "re:" and a pattern.
    strip: tuple[str, ...] = ()

    _checks: ClassVar[Mapping[str, Callable[[str], object]]] = {
        "id": checks.one_of(*FEED_IDS),
        "link": checks.one_of(*FEED_LINKS),
        "id_pattern": as_pattern,
    }

    def _check(self) -> None:
        super()._check()
        for name, prefixes in (("skip", ("title", "link")), ("strip", ("re",))):
            for each in getattr(self, name):
                prefix, separator, pattern = each.partition(":")
                if not separator or prefix not in prefixes:
                    allowed = " or ".join(f'"{each}:" and a pattern' for each in prefixes)
                    raise ParamsError(f"{name}: {each!r} must be {allowed}")
                try:
                    as_pattern(pattern)
                except ParamsError as error:
                    raise ParamsError(f"{name}: {each!r} {error}") from error
