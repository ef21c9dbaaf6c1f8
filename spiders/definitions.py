"""Site definitions: what `sites.toml` holds, read and written, and the ready-made ones in spiders/sites/.

    [sites.konkuk-student]
    spider = "listing"
    url = "https://www.konkuk.ac.kr/bbs/konkuk/238/artclList.do"
    schedule = "10m"
    timezone = "Asia/Seoul"

    [sites.konkuk-student.params]
    row = "table.board-table tbody tr"
    title = "td.td-subject a"

Writing what was read gives the same text again, and reading that the same definitions.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from typing import Any, Final

from pipeline.basics.access import ADDRESSES, masked_params, unmasked, with_scheme
from pipeline.basics.durations import exact_duration, parse_duration
from pipeline.basics.time_zones import find_zone
from spiders.errors import SpiderError
from spiders.param_values import ParamsError
from spiders.params import FeedParams, JSONParams, ListingParams, PostPageParams, SiteParams
from spiders.request_params import RequestParams
from spiders.toml_text import toml_table
from storage.models import EDITS

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_LONGEST: Final = 3_650 * 86_400
GENERAL: Final[Mapping[str, type[SiteParams]]] = {"listing": ListingParams, "feed": FeedParams, "json": JSONParams}
"""The general spiders, which know sites by their parameters alone."""
_OWN_KEYS: Final = ("spider", "url", "params")
_DURATIONS: Final = ("max_age", "ttl")
"""Texts, where the table has seconds in columns that end in _s."""
_NULL_WHERE_EMPTY: Final = ("active_hours", "group", "labels", "robots_exempt_reason")


class DefinitionError(SpiderError, ValueError):
    """A definition that cannot be used; the message names the file, the site and the key."""


def seconds(duration: str) -> int:
    """A duration such as "90s", "5m", "36h", "7d" or "2w" in seconds; raises ValueError for anything else."""
    count = parse_duration(duration)
    if count is None:
        raise ValueError(f"{duration!r} is no duration: write a number and s, m, h, d or w, such as 7d")
    if not 0 < count <= _LONGEST:
        raise ValueError(f"{duration!r} is not possible: a duration is from 1s to 3650d")
    return count


@dataclass(frozen=True, kw_only=True)
class SiteDefinition:
    """A site as a person defines it."""

    # At most 64 small letters, digits, dots, dashes and underscores.
    name: str
    # The name of a Scrapy spider: "listing", "feed", "json", or one in spiders/sites/.
    spider: str
    # The spider's parameters, its url among them, without the time zone.
    params: Mapping[str, Any] = field(default_factory=dict)
    # A duration, or a cron expression.
    schedule: str = "5m"
    # IANA name; the zone of the site's dates, and of its schedule.
    timezone: str = "UTC"
    # "08:00-22:00" in the site's zone, or "" for always.
    active_hours: str = ""
    # Posts published longer ago are stored and never pushed.
    max_age: str = "7d"
    # Notices that wait longer than this are not sent any more.
    ttl: str = "3d"
    enabled: bool = True
    # Whether keywords are also looked for in a post's body.
    match_body: bool = False
    # Sites of one group that say the same tell a person once; "" is in none.
    group: str = ""
    # What the site puts into brackets around titles, comma-separated: no part of what its posts say.
    labels: str = ""
    # Whether its posts pass the quiet hours, digests and caps of those who allow it.
    urgent: bool = False
    # What an edit does to the phones that show the post: one of EDITS.
    edits: str = "keep"
    # Whether the site may be on a loopback or private address.
    allow_private: bool = False
    # Why robots.txt is not obeyed; "" obeys it.
    robots_exempt_reason: str = ""

    def __post_init__(self) -> None:
        """Put durations and the address in one form, so that a definition has one way to be written."""
        if isinstance(self.params.get("url"), str):
            object.__setattr__(self, "params", {**self.params, "url": with_scheme(self.params["url"])})
        for name in _DURATIONS:
            object.__setattr__(self, name, exact_duration(seconds(getattr(self, name))))

    @property
    def url(self) -> str:
        """The address that is crawled; "" where the spider has its own."""
        return str(self.params.get("url", ""))

    @property
    def columns(self) -> dict[str, Any]:
        """The definition as columns of the table `sites`, the name included."""
        same = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _DURATIONS}
        lacking = {name: same[name] or None for name in _NULL_WHERE_EMPTY}
        durations = {f"{name}_s": seconds(getattr(self, name)) for name in _DURATIONS}
        return {**same, **lacking, **durations, "params": dict(self.params)}

    @classmethod
    def from_columns(cls, row: Any) -> "SiteDefinition":
        """The definition of a stored site: any object with the attributes of the table's columns."""
        same = {each.name: getattr(row, each.name) for each in fields(cls) if each.name not in _DURATIONS}
        lacking = {name: same[name] or "" for name in _NULL_WHERE_EMPTY}
        durations = {name: f"{getattr(row, f'{name}_s')}s" for name in _DURATIONS}
        return cls(**{**same, **lacking, **durations, "params": dict(row.params)})


_TEXTS: Final = (
    *("schedule", "timezone", "active_hours", "max_age", "ttl", "group", "labels", "edits", "robots_exempt_reason"),
)
_FLAGS: Final = ("enabled", "match_body", "urgent", "allow_private")


def parse_definitions(text: str, source: str = "sites.toml", *, timezone: str = "UTC") -> dict[str, SiteDefinition]:
    """The definitions in a TOML text, by name. Raises DefinitionError.

    source: the file's name, for the errors. timezone: of a site that names none.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{source}: not valid TOML: {error}") from error
    except RecursionError:
        raise DefinitionError(f"{source}: its values are nested too deeply to be definitions of sites") from None
    sites = document.pop("sites", {})
    if document:
        raise DefinitionError(f"{source}: unknown table or key {next(iter(document))!r}; sites are [sites.NAME]")
    if not isinstance(sites, dict):
        raise DefinitionError(f"{source}: sites must be tables named [sites.NAME]")
    return {name: _definition(name, table, source, timezone) for name, table in sites.items()}


def _definition(name: str, table: Any, source: str, timezone: str) -> SiteDefinition:
    where = f"{source}: site {name!r}"
    check_name(name, where)
    if not isinstance(table, dict):
        raise DefinitionError(f"{where}: must be a table, [sites.{name}]")
    for key in table:
        if key not in (*_OWN_KEYS, *_TEXTS, *_FLAGS):
            raise DefinitionError(
                f"{where}: unknown key {key!r}; a parameter of the spider stands in [sites.{name}.params]"
            )
    spider = table.get("spider")
    if not isinstance(spider, str) or not spider:
        raise DefinitionError(f"{where}: the key spider is missing: listing, feed, json, or a spider of your own")
    values = {"timezone": timezone, **_values(table, where)}
    definition = SiteDefinition(name=name, spider=spider, params=_params(table, where), **values)
    check_params(definition, where)
    return definition


def check_name(name: str, where: str = "") -> None:
    """Raise DefinitionError for what cannot be a site's name."""
    if not _NAME.fullmatch(name):
        raise DefinitionError(
            f"{where or f'site {name!r}'}: a name is at most 64 small letters, digits, dots, dashes and underscores; "
            "what pushes call the site is free (`crawlpush sites push NAME --title-template ...`)"
        )


def check_group(group: str, where: str = "") -> None:
    """Raise DefinitionError for what cannot be a group's name."""
    if group and not _NAME.fullmatch(group):
        raise DefinitionError(
            f"{where + ': ' if where else ''}group {group!r}: a group's name is at most 64 small letters, digits, "
            "dots, dashes and underscores"
        )


def _values(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The keys that are given besides the spider and its parameters, checked."""
    values: dict[str, Any] = {}
    for key in (*_TEXTS, *_FLAGS):
        kind = str if key in _TEXTS else bool
        if key in table:
            if not isinstance(table[key], kind):
                raise DefinitionError(f"{where}: {key} is {table[key]!r}; it must be {_KINDS[kind]}")
            values[key] = table[key]
    _check_timezone(values.get("timezone", "UTC"), where)
    check_group(values.get("group", ""), where)
    if values.get("edits", "keep") not in EDITS:
        raise DefinitionError(f"{where}: edits is {values['edits']!r}; it must be {' or '.join(EDITS)}")
    for key in ("max_age", "ttl"):
        try:
            seconds(values.get(key, "1d"))
        except ValueError as error:
            raise DefinitionError(f"{where}: {key}: {error}") from error
    return values


_KINDS: Final = {str: "a text", bool: "true or false"}


def _params(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    params = table.get("params", {})
    if not isinstance(params, dict):
        raise DefinitionError(f"{where}: params must be a table")
    url = table.get("url")
    if url is None:
        return dict(params)
    if not isinstance(url, str):
        raise DefinitionError(f"{where}: url is {url!r}; it must be a text")
    if "url" in params:
        raise DefinitionError(f"{where}: url is given twice, in the site and in its params")
    return {"url": url, **params}


def _check_timezone(name: str, where: str) -> None:
    if find_zone(name) is None:
        raise DefinitionError(f"{where}: timezone is {name!r}; it must be an IANA name such as Asia/Seoul")


def check_params(definition: SiteDefinition, where: str = "") -> None:
    """Check the parameters of the general spiders, and those of posts' pages; raises DefinitionError.

    Other spiders check the rest themselves.
    """
    params = GENERAL.get(definition.spider)
    try:
        if params is None:
            PostPageParams.chosen(definition.params)
            RequestParams.of(definition.params)
        else:
            params.from_mapping({"timezone": definition.timezone, **definition.params})
    except ParamsError as error:
        raise DefinitionError(f"{where or f'site {definition.name!r}'}: {error}") from error


def with_passwords(definition: SiteDefinition, before: Mapping[str, Any]) -> SiteDefinition:
    """The definition with the passwords of the parameters before, where its addresses have MASK in their place.

    Raises DefinitionError when the parameters before have none that fits.
    """
    params = dict(definition.params)
    for name in ADDRESSES:
        if isinstance(params.get(name), str):
            try:
                params[name] = unmasked(params[name], str(before.get(name) or ""))
            except ValueError as error:
                raise DefinitionError(f"site {definition.name!r}: {name}: {error}") from error
    return replace(definition, params=params)


def dump_definitions(definitions: Iterable[SiteDefinition], *, passwords: bool = False) -> str:
    """The definitions as TOML, by name; passwords are masked unless wanted.

    What has its default is left out, but for the time zone, whose default another installation may have set otherwise.
    """
    return "\n".join(
        _dumped(each if passwords else replace(each, params=masked_params(each.params)))
        for each in sorted(definitions, key=lambda each: each.name)
    )


def _dumped(definition: SiteDefinition) -> str:
    params = dict(definition.params)
    own: dict[str, Any] = {"spider": definition.spider}
    if "url" in params:
        own["url"] = params.pop("url")
    for each in fields(definition):
        is_default = getattr(definition, each.name) == each.default
        if each.name in (*_TEXTS, *_FLAGS) and (not is_default or each.name == "timezone"):
            own[each.name] = getattr(definition, each.name)
    text = toml_table(("sites", definition.name), own)
    return text + ("\n" + toml_table(("sites", definition.name, "params"), params) if params else "")


def ready_made() -> dict[str, SiteDefinition]:
    """The definitions that come with crawlpush, by name."""
    found: dict[str, SiteDefinition] = {}
    for file in sorted(resources.files("spiders.sites").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".toml"):
            found |= parse_definitions(file.read_text(encoding="utf-8"), file.name)
    return dict(sorted(found.items()))
