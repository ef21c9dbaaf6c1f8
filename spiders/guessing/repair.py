"""A listing's definition found again after its page was redesigned, from the titles that are still known. Pure.

The rule: the rows under which most known titles are found, each in a row of its own, win. Where that is not sure
nothing is proposed, because wrong rows push what is no post, or push again what everybody has: when hardly a title is
found, when two lists have the same titles, when what is found may be a box beside the list, or when it holds much that
is unlike the known posts.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from lxml import etree

from pipeline.basics.access import masked
from spiders.guessing.addresses import kind_of, split_address
from spiders.guessing.element_names import is_furniture
from spiders.guessing.known_posts import KnownPost, Recognition, recognise, title_key
from spiders.guessing.propose import Page, identity_of, with_next
from spiders.guessing.row_guess import RowGuess, all_guesses, completed, known_elements
from spiders.guessing.seen import Seen
from spiders.guessing.software import known_listing
from spiders.items import PostItem
from spiders.param_values import ParamsError
from spiders.params import PostPageParams
from spiders.reading.page_kind import page_kind
from spiders.reading.page_posts import ListingPage
from spiders.reading.row_reader import subject_and_pattern
from spiders.reading.selectors import compile_selector
from spiders.request_params import RequestParams

FEWEST: Final = 3
"""So many different known titles, each in a row of its own, are no coincidence."""
_AS_MANY: Final = 0.8
"""Rows elsewhere that hold so large a part of the titles may be the list as well."""
_BOX: Final = 1 / 3
"""Of the posts that the page showed before; fewer are a box beside the list, or the list of something else."""
_UNLIKE: Final = 0.2
_KEPT: Final = frozenset(
    {
        "url",
        "timezone",
        "encoding",
        "tls",
        "max_pages",
        *(each.name for each in (*fields(RequestParams), *fields(PostPageParams))),
    }
)
"""Parameters that do not say how the list is read."""


@dataclass(frozen=True, kw_only=True)
class Repair:
    """What a page is to be read by now, and which of its posts are known; or why not."""

    params: Mapping[str, Any] = field(default_factory=dict)
    posts: tuple[PostItem, ...] = ()
    recognition: Recognition = field(default_factory=lambda: Recognition(known={}, new=frozenset(), contradicting=0))
    # Why nothing is proposed, and the way out, in a sentence; else "".
    refusal: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What one definition finds on the page."""

    params: Mapping[str, Any]
    read: ListingPage
    recognition: Recognition
    rows: Sequence[etree._Element]
    # The guess that it comes from; None for the old definition and a ready-made one.
    guess: RowGuess | None

    @property
    def posts(self) -> tuple[PostItem, ...]:
        return self.read.posts

    @cached_property
    def titles(self) -> frozenset[str]:
        """The known titles that were found."""
        return frozenset(title_key(known.title) for known in self.recognition.known.values())

    @cached_property
    def unlike(self) -> int:
        """How much is unlike the known posts: another kind of address, no date where those have one."""
        known = [self.posts[place] for place in self.recognition.known]
        kinds = {kind_of(post.url) for post in known}
        dated = 2 * sum(post.published_at is not None for post in known) > len(known)
        others = [
            post for place, post in enumerate(self.posts) if place not in self.recognition.known and not post.pinned
        ]
        return sum((kind_of(post.url) not in kinds) + (dated and post.published_at is None) for post in others)

    @cached_property
    def strays(self) -> int:
        """Unknown posts between the first and the last known one; pinned ones stand anywhere."""
        known = self.recognition.known
        places = [place for place in known if not self.posts[place].pinned] or [*known]
        span = range(min(places), max(places) + 1) if places else range(0)
        return sum(place not in known and not self.posts[place].pinned for place in span)

    @property
    def sureness(self) -> int:
        """Known posts, less anything else."""
        # A title that comes again, with another date, was found as well.
        again = min(self.recognition.contradicting, len(self.recognition.known))
        return len(self.recognition.known) + again - self.unlike - max(0, self.strays - again)

    @property
    def worth(self) -> tuple[int, bool, int, float]:
        """What is surest; then what has names, and dates, and the best rows by themselves."""
        dated = sum(post.published_at is not None for post in self.posts)
        if self.guess is None:
            return self.sureness, True, dated, float("inf")
        return self.sureness, self.guess.has_names, dated, self.guess.score

    @property
    def repeated(self) -> int:
        """Rows beyond the first of each known post."""
        again = [place for place, post in enumerate(self.posts) if title_key(post.title) in self.titles]
        rows = sum(count for reason, count in self.read.skipped if reason.startswith("repeats"))
        return rows + len([place for place in again if place not in self.recognition.known])


def repair(
    body: bytes,
    url: str,
    content_type: str = "",
    *,
    before: Mapping[str, Any],
    known: Sequence[KnownPost],
    shown: int,
    now: datetime,
    row: str = "",
) -> Repair:
    """Find rows and titles anew, or say why that is not sure.

    `before` are the site's parameters, its time zone included; `known` its stored posts as the page showed them, then
    the others from the newest on; `shown` how many of them the page showed; `row` is a selector that a person chose.
    """
    page = Page.of(body, url, content_type, _kept(before), now)
    tried = (_without_foreign(page, each, known) for each in _tried(page, before, known, row))
    found = _completed(sorted(tried, key=lambda each: each.worth, reverse=True))
    found[:1] = [_identified(page, before, known, each) for each in found[:1]]
    if refusal := _refusal(page, found, known, shown, row):
        return Repair(refusal=refusal)
    best = found[0]
    return Repair(params=best.params, posts=best.posts, recognition=best.recognition, notes=tuple(_notes(before, best)))


def _completed(found: list[_Found]) -> list[_Found]:
    """The same, with rows before the best that are all of its rows and some more of their kind, such as unread ones."""
    if not found or found[0].guess is None:
        return found
    whole = completed(found[0].guess, [each.guess for each in found if each.guess])
    better = [each for each in found if each.guess is whole and each.sureness >= found[0].sureness]
    return [*better, *found]


def _kept(before: Mapping[str, Any]) -> dict[str, Any]:
    """What of the old parameters holds for a page that looks different: how it is fetched, and patterns for texts."""
    kept = {name: value for name, value in before.items() if name in _KEPT}
    for name, subjects in (("strip", {"re"}), ("skip", {"title"})):
        given = before.get(name) or ()
        entries = given.splitlines() if isinstance(given, str) else given
        if patterns := [each for each in entries if (said := subject_and_pattern(each)) and said[0] in subjects]:
            kept[name] = patterns
    return kept


def _tried(page: Page, before: Mapping[str, Any], known: Sequence[KnownPost], row: str) -> Iterator[_Found]:
    """What each definition finds: the old one, one for software that is known, and those for rows around the titles."""
    for params, guess in _definitions(page, before, known, row):
        if found := _find(page, params, known, guess):
            yield found
            if found.recognition.contradicting > len(found.recognition.known) and "date" in params:
                # A date, but not that of the posting.
                undated = {name: value for name, value in params.items() if name != "date"}
                yield from filter(None, [_find(page, undated, known, guess)])


def _definitions(
    page: Page, before: Mapping[str, Any], known: Sequence[KnownPost], row: str
) -> Iterator[tuple[Mapping[str, Any], RowGuess | None]]:
    if not row:
        yield before, None
    if not row and (
        software := known_listing(page.text, page.root, lambda params: page.read(_joined(page.common, params)))
    ):
        yield _joined(page.common, software.params), None
    seen = Seen(page.now, titles=frozenset(title_key(each.title) for each in known))
    for guess in all_guesses(page.root, page.base, seen, only=row):
        yield _joined(page.common, guess.params), guess


def _joined(kept: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    lists = {
        name: [*dict.fromkeys([*kept[name], *found[name]])]
        for name in ("strip", "skip")
        if name in kept and name in found
    }
    return {**kept, **found, **lists}


def _find(page: Page, params: Mapping[str, Any], known: Sequence[KnownPost], guess: RowGuess | None) -> _Found | None:
    try:
        read = page.read(params)
    except ParamsError:
        return None
    if read.is_ambiguous or not read.posts:
        return None
    return _Found(
        params=params,
        read=read,
        recognition=recognise(known, read.posts, page.now),
        rows=compile_selector(str(params["row"])).elements(page.root),
        guess=guess,
    )


def _refusal(page: Page, found: Sequence[_Found], known: Sequence[KnownPost], shown: int, row: str) -> str:
    """Why the best is not sure enough, with the way out; "" where it is."""
    best = found[0] if found else None
    if best is None or len(best.titles) < FEWEST:
        return _too_few(page, best, known, row)
    rows = best.params["row"]
    if not row and _has_another_list(page, best):
        others = [each for each in found[1:] if _around(best.rows).isdisjoint(each.rows) and len(each.titles) >= FEWEST]
        other = next(
            (f"rows {each.params['row']!r}" for each in others if _is_apart(each, best)), "something without a name"
        )
        return f"two lists hold the known titles, the rows {rows!r} and {other}: choose with --row {rows!r}"
    why = next((words for words, holds in _DOUBTS if holds(best, shown)), "")
    return f"the rows {rows!r} {why}: {_BY_HAND}" if why else ""


def _too_few(page: Page, best: _Found | None, known: Sequence[KnownPost], row: str) -> str:
    kind = page_kind(page.body, page.url, content_type=page.content_type)
    seen = Seen(page.now, titles=best.titles if best and row else frozenset(title_key(each.title) for each in known))
    count = min(len(known), len({title_key(seen.text(each)) for each in known_elements(page.root, seen)}))
    found = f"{count or 'none'} of the {len(known)} known titles {'is' if count < 2 else 'are'} found "
    found += f"in the rows {row!r}" if row else "on the page"
    if kind and kind.is_other:
        return f"{found}: {kind.sentence}"
    if count >= FEWEST:
        return f"{found}, but nothing that repeats around them tells them apart: {_BY_HAND}"
    return f"{found}; if it is the right one, `crawlpush sites try {masked(page.url)}` shows what its rows may be"


def _has_another_list(page: Page, best: _Found) -> bool:
    """Whether about as many of the titles stand elsewhere on the page as well."""
    rows, seen = set(best.rows), Seen(page.now, titles=best.titles)
    elsewhere = {
        title_key(seen.text(each))
        for each in known_elements(page.root, seen)
        if rows.isdisjoint((each, *each.iterancestors()))
    }
    return len(elsewhere) >= _AS_MANY * len(best.titles)


def _is_apart(other: _Found, best: _Found) -> bool:
    return _around(other.rows).isdisjoint(best.rows)


def _around(rows: Iterable[etree._Element]) -> set[etree._Element]:
    return {each for row in rows for each in (row, *row.iterancestors())}


def _may_be_a_box(best: _Found, shown: int) -> bool:
    around = _around(best.rows[:1])
    in_box = any(is_furniture(each) or each.tag in {"aside", "nav", "footer"} for each in around)
    return len(best.posts) < _BOX * shown or (in_box and 2 * len(best.recognition.known) < shown)


_DOUBTS: Final[tuple[tuple[str, Callable[[_Found, int], bool]], ...]] = (
    ("hold most of the known titles twice", lambda best, _: 2 * best.repeated > len(best.titles)),
    ("may be a box beside the list, since they are far fewer than before", _may_be_a_box),
    (
        "hold much that is unlike the known posts: other kinds of addresses, or no date",
        lambda best, _: best.unlike > _UNLIKE * len(best.posts),
    ),
    (
        "may be another list, since many posts between the known ones are unknown",
        lambda best, _: 2 * best.strays > len(best.recognition.known),
    ),
    (
        "lead nowhere: link_template has to say where",
        lambda best, _: 2 * sum(post.url == best.params["url"] for post in best.posts) > len(best.posts),
    ),
)
_BY_HAND: Final = "if it is the list all the same, give row and title with `crawlpush sites set`"


def _without_foreign(page: Page, found: _Found, known: Sequence[KnownPost]) -> _Found:
    """The definition without rows that lead to other hosts, such as advertisements, where no known post does."""
    hosts = {split_address(found.posts[place].url).netloc for place in found.recognition.known}
    foreign = any(split_address(post.url).netloc not in hosts for post in found.posts)
    if not foreign or len(hosts) != 1:
        return found
    skip = [*found.params.get("skip", []), f"link:^https?://(?!{re.escape(hosts.pop())}[/?#])"]
    return _find(page, {**found.params, "skip": skip}, known, found.guess) or found


def _identified(page: Page, before: Mapping[str, Any], known: Sequence[KnownPost], found: _Found) -> _Found:
    """The definition with what says which post is which: as before where that still does, else as is proposed anew."""
    if found.params == before:
        return found
    params = with_next(page, dict(found.params))
    proposed = {**params, **identity_of(found.posts, params, page.url)}
    variants = [proposed]
    old = {name: before[name] for name in ("id", "ignore_query") if before.get(name)}
    if "id" in old and not str(old["id"]).startswith("re:"):
        del old["id"]
    variants += [{**params, **old}] if old else []
    if before.get("link_template") and "link_template" not in params:
        by_script = {name: value for name, value in params.items() if name != "id"}
        variants += [{**by_script, **old, "link_template": before["link_template"]}]
    again = [each for each in (_find(page, each, known, found.guess) for each in variants) if each]
    whole = [each for each in again if len(each.recognition.known) == len(found.recognition.known)]
    return max(whole, key=_unchanged, default=replace(found, params=params))


def _unchanged(found: _Found) -> int:
    """How many posts keep their ids."""
    pairs = found.recognition.known.items()
    return sum(found.posts[place].external_id == old.external_id for place, old in pairs)


def _notes(before: Mapping[str, Any], best: _Found) -> Iterator[str]:
    for place in sorted(best.recognition.astray):
        yield f"{best.posts[place].title!r} stands elsewhere than before and has no date: it is pushed to nobody"
    if best.params == before:
        yield "the definition reads the page as it is: only the posts' ids are new"
        return
    for name in ("author", "body", "pinned", "skip", "strip", "next", "page_template", "date"):
        if before.get(name) and not best.params.get(name):
            yield f"{name} was {before[name]!r}, and nothing on the page is found in its place"
    if PostPageParams.chosen(best.params).post_body:
        yield "the posts' own pages may look different too: `crawlpush sites try` with post_body shows it"
