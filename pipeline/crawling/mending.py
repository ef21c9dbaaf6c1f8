"""What to set on a site whose ids change: the parameter by which its posts keep their ids. Pure."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.crawling.same_posts import Pair, address_parts

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
