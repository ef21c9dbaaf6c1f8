"""Old posts under new ids: which of a run's new posts say what the site showed before. Pure.

A feed may make its guids anew at each fetch, a portal may put the time into its links, a board may move to another
host: then every id on the page is new and nothing on it is. One post alone does not show this, because a title may
come again ("Menu of the day"); a page does. So a run is compared with what the site showed before.

The rule. When at least half of the posts that a run saw are new, each is paired with a post that stood on the page
before and stands there no more under its id. They are compared by the address apart from its host, by the address
apart from what changed in all addresses, and by the title; two posts whose dates contradict each other are never a
pair. If at least half of the new posts find a partner, and at least three of these pairs cannot be a coincidence (the
title, or the address, is that of one post before and of one now), the ids have changed. A short page has too few posts
for that: there title and address must be the same, or the same title must have been new half an hour ago. Of a site
whose ids are known to change, one such pair is enough.

Then the new posts in pairs are the old ones, and so are those that a post says which left the page earlier. What is
left is new. Where the addresses, without what changed in all of them, still tell the posts apart, they decide alone;
else titles do, and a title that comes more often than before is new.
"""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pipeline.basics.date_readings import contradict

FEWEST_PAIRS = 3
"""So many pairs that cannot be a coincidence show that a site's ids have changed."""
YOUNG = timedelta(minutes=30)
"""Nobody posts the same title again so soon, while the first one vanishes."""
_JUST_MADE = timedelta(minutes=10)
"""Dates this close to the crawl, in most posts, are made at each fetch and say nothing."""
_COUNT = re.compile(r"\s*[\[(]\s*\+?\d+\s*[\])]$")
"""The number of comments behind a title."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A stored post, as far as it is compared."""

    id: int
    external_id: str
    url: str
    title: str
    published_at: datetime | None
    first_seen_at: datetime


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A new post, and the old one that it is."""

    new: Known
    old: Known


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a comparison found, when the ids have changed; no pairs when they have not."""

    pairs: tuple[Pair, ...] = ()
    # The new posts that found no partner.
    left: tuple[Known, ...] = ()
    # The names of the parts of the addresses that tell the posts apart; empty where titles do.
    lasting: frozenset[str] = frozenset()


def compare(
    new: Sequence[Known], before: Sequence[Known], *, seen: int, now: datetime, ids_change: bool = False
) -> Comparison:
    """Find out whether a run's ids have changed, by the rule above.

    `before` are the posts that stood on the page at the last crawl and were not seen by this one; `seen` is how many
    posts this one saw; `ids_change` says that earlier runs have shown it already.
    """
    if not new or 2 * len(new) < seen:
        return Comparison()
    found = _Pairing(new, before, now)
    is_half = 2 * len(found.pairs) >= len(new)
    is_sure = len(found.telling) >= FEWEST_PAIRS or all(_is_sure_alone(pair, now) for pair in found.pairs)
    if not found.telling or not (ids_change or (is_half and is_sure)):
        return Comparison()
    return Comparison(pairs=tuple(found.pairs), left=tuple(found.left), lasting=found.lasting)


def returned(found: Comparison, earlier: Sequence[Known], *, now: datetime) -> list[Pair]:
    """Pairs of the posts that found no partner on the page before with stored posts that had left it earlier.

    A title that several posts of the run have says nothing.
    """

    def key(post: Known) -> Hashable:
        return title_key(post.title), _lasting(post, found.lasting)

    titles = Counter(title_key(pair.new.title) for pair in found.pairs)
    titles.update(title_key(post.title) for post in found.left)
    newest = {key(post): post for post in sorted(earlier, key=lambda post: post.id)}
    ignore_dates = _dates_are_just_made([*found.left, *(pair.new for pair in found.pairs)], now)
    return [
        Pair(new=post, old=old)
        for post in found.left
        if titles[title_key(post.title)] == 1
        and (old := newest.get(key(post)))
        and (ignore_dates or not contradict(post.published_at, old.published_at, now))
    ]


def title_key(title: str) -> str:
    """A title as it is compared: without capitals and the number of its comments."""
    return " ".join(_COUNT.sub("", title).casefold().split())


class _Pairing:
    """Pairs by one key after another, the surest first."""

    def __init__(self, new: Sequence[Known], before: Sequence[Known], now: datetime) -> None:
        self.pairs: list[Pair] = []
        # Those that cannot be a coincidence.
        self.telling: list[Pair] = []
        self.lasting: frozenset[str] = frozenset()
        self._now = now
        self._ignore_dates = _dates_are_just_made(new, now)
        self._new = {post.id: post for post in new}
        self._before = {post.id: post for post in before}
        self._pair(lambda post: (_address(post.url), title_key(post.title)), dates=False)
        lasting = self._lasting()
        if lasting:
            self._pair(lambda post: (title_key(post.title), _lasting(post, lasting)))
            if 2 * len(self.pairs) >= len(new) and len(self.pairs) >= FEWEST_PAIRS:
                self.lasting = lasting
        self._pair(lambda post: _address(post.url), only_single=True)
        if lasting:
            self._pair(lambda post: _lasting(post, lasting), only_single=True, alike=True)
        if not self.lasting:
            self._pair(lambda post: title_key(post.title))

    @property
    def left(self) -> list[Known]:
        """The new posts without a partner."""
        return list(self._new.values())

    def _lasting(self) -> frozenset[str]:
        """The parts by which the addresses tell the posts apart still, when what changed in all of them is left out."""
        new = [address_parts(post.url) for post in (*self._new.values(), *(pair.new for pair in self.pairs))]
        before = [address_parts(post.url) for post in (*self._before.values(), *(pair.old for pair in self.pairs))]
        if min(len(new), len(before)) < FEWEST_PAIRS:
            return frozenset()
        lasting = lasting_parts(before, new)
        distinct = {tuple(parts.get(name) for name in sorted(lasting)) for parts in new}
        return lasting if len(distinct) == len(new) else frozenset()

    def _pair(
        self,
        key_of: Callable[[Known], Hashable],
        *,
        only_single: bool = False,
        dates: bool = True,
        alike: bool = False,
    ) -> None:
        olds: defaultdict[Hashable, list[Known]] = defaultdict(list)
        for post in self._before.values():
            olds[key_of(post)].append(post)
        count_new = Counter(key_of(post) for post in self._new.values())
        single = {key for key, group in olds.items() if len(group) == count_new[key] == 1}
        for post in self.left:
            key = key_of(post)
            if only_single and key not in single:
                continue
            old = next((each for each in olds[key] if self._may_be(post, each, dates=dates, alike=alike)), None)
            if old is None:
                continue
            pair = Pair(new=post, old=old)
            self.pairs.append(pair)
            if key in single:
                self.telling.append(pair)
            olds[key].remove(old)
            del self._new[post.id], self._before[old.id]

    def _may_be(self, post: Known, old: Known, *, dates: bool, alike: bool) -> bool:
        if alike and not _are_alike(post.title, old.title):
            return False
        return not dates or self._ignore_dates or not contradict(post.published_at, old.published_at, self._now)


def _is_sure_alone(pair: Pair, now: datetime) -> bool:
    same = title_key(pair.new.title) == title_key(pair.old.title)
    is_young = now - pair.old.first_seen_at < YOUNG
    return same and (is_young or _address(pair.new.url) == _address(pair.old.url))


def _dates_are_just_made(new: Sequence[Known], now: datetime) -> bool:
    made = [post for post in new if post.published_at and abs(now - post.published_at) < _JUST_MADE]
    return len(made) >= FEWEST_PAIRS and 2 * len(made) > len(new)


def _are_alike(one: str, other: str) -> bool:
    words, others = set(title_key(one).split()), set(title_key(other).split())
    return 3 * len(words & others) >= 2 * len(words | others)


def _address(url: str) -> str:
    """An address without its scheme and host, which change when a site moves."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return parts._replace(scheme="", netloc="").geturl()


def address_parts(url: str) -> dict[str, str]:
    """The parts of an address by name: "host", the path's steps from its end ("path 0" is the last), "?name", "#"."""
    try:
        split = urlsplit(url)
    except ValueError:
        return {"host": url}
    parts = {"host": (split.hostname or "").removeprefix("www.") + (f":{split.port}" if split.port else "")}
    steps = split.path.split("/")
    parts |= {f"path {place}": step for place, step in enumerate(reversed(steps))}
    parts |= {f"?{name}": value for name, value in parse_qsl(split.query, keep_blank_values=True, encoding="latin-1")}
    return parts | ({"#": split.fragment} if split.fragment else {})


def _lasting(post: Known, names: frozenset[str]) -> tuple[str | None, ...]:
    parts = address_parts(post.url) if names else {}
    return tuple(parts.get(name) for name in sorted(names))


def lasting_parts(before: Sequence[Mapping[str, str]], now: Sequence[Mapping[str, str]]) -> frozenset[str]:
    """Names of the parts of which some value stood in an address before and stands in one now.

    A session's number or the time of the fetch is another one each time, in every address.
    """
    values_before, values_now = _values(before), _values(now)
    return frozenset(name for name, values in values_now.items() if values & values_before.get(name, set()))


def _values(addresses: Sequence[Mapping[str, str]]) -> dict[str, set[str]]:
    values: defaultdict[str, set[str]] = defaultdict(set)
    for parts in addresses:
        for name, value in parts.items():
            values[name].add(value)
    return values


CHANGED = "its posts have new ids though they say what they said before, so they were pushed to nobody"


def advice(site: str, spider: str, params: Mapping[str, Any], pairs: Sequence[Pair]) -> str:
    """What the pairs of old and new posts show, in a sentence with the command that mends it where there is one."""
    command = "".join(f" -p {shlex.quote(f'{name}={value}')}" for name, value in _mend(spider, params, pairs))
    hosts = {address_parts(pair.new.url)["host"] for pair in pairs}
    if _changed(pairs) == {"host"} and len(hosts) == 1:
        return f"{CHANGED}: they moved to {hosts.pop()}; if they stay there, set the site's url"
    if command:
        return f"{CHANGED}; `crawlpush sites set {site}{command}` keeps the ids"
    if spider == "listing":
        return f"{CHANGED}; nothing in their addresses stays: set id to something in the rows that does"
    return f"{CHANGED}; nothing in their addresses stays, so they are known by their titles"


def _mend(spider: str, params: Mapping[str, Any], pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    changed = _changed(pairs)
    if not changed:
        # The addresses are as they were: what the ids were taken from is not.
        return [("id", "link")] if spider == "feed" else [("id", "")] if params.get("id") else []
    lasting = [(address_parts(pair.new.url), pair) for pair in pairs]
    if all(name.startswith("?") for name in changed) and not params.get("id" if spider == "listing" else "id_pattern"):
        rest = {tuple(sorted((n, v) for n, v in parts.items() if n not in changed)) for parts, _ in lasting}
        if len(rest) == len(pairs):
            known = params.get("ignore_query") or []
            names = [*known, *sorted(name.removeprefix("?") for name in changed)]
            by_link = [("id", "link")] if spider == "feed" and any(_has_guid(pair) for pair in pairs) else []
            return [*by_link, *(("ignore_query", name) for name in names)]
    pattern = _pattern([parts for parts, _ in lasting], changed)
    if not pattern:
        return []
    return [("id_pattern", pattern)] if spider == "feed" else [("id", f"re:{pattern}")]


def _changed(pairs: Sequence[Pair]) -> set[str]:
    """Names of the parts of the addresses that are not what they were."""
    changed: set[str] = set()
    for pair in pairs:
        before, now = address_parts(pair.old.url), address_parts(pair.new.url)
        changed |= {name for name in before | now if before.get(name) != now.get(name)}
    return changed


def _has_guid(pair: Pair) -> bool:
    return address_parts(pair.new.url)["host"] not in pair.new.external_id


def _pattern(addresses: Sequence[Mapping[str, str]], changed: set[str]) -> str:
    """A pattern for the part of the addresses that stayed and is another one in each of them; or ""."""
    for name in addresses[0]:
        values = {parts.get(name, "") for parts in addresses}
        if name in changed or len(values) < len(addresses) or "" in values:
            continue
        if name.startswith("?"):
            return f"[?&]{name[1:]}=([^&#]+)"
        if name.startswith("path "):
            return "/([^/?#]+)" + "/[^/?#]*" * int(name[5:]) + "(?:[?#]|$)"
    return ""
