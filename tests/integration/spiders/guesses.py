"""How well `crawlpush sites try` guesses the saved real pages: a grade for each, and the table of docs/benchmarks.md.

python -m tests.integration.spiders.guesses            # prints the table
REAL_PAGES=/folder python -m tests.integration.spiders.guesses
"""

import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import spiders.without_http2  # noqa: F401 - before what imports Twisted
from spiders.definitions import SiteDefinition, ready_made
from spiders.guessing.propose import Proposal, propose
from spiders.items import PostItem
from spiders.params import ListingParams
from spiders.reading.listing_page import parse_listing
from tests.integration.spiders.real_pages import FOLDER, expectations

GRADES = ("exact", "near", "refused", "wrong")
"""exact: the posts, titles and dates that a person's parameters give. refused: nothing was proposed where there
are posts. near: nine of ten posts are there, and at most one of ten is none; some titles or dates differ."""

SITES: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("real_listings.toml").read_text(encoding="utf-8"))
POSTLESS = {
    "chi-citycouncil-api": "https://webapi.legistar.com/v1/chicago/events",
    "konkuk-cse-empty": "https://cse.konkuk.ac.kr/bbs/cse/775/artclList.do",
    "office-angels-jobs": "http://www.office-angels.com/all-job-results.aspx?kws=graduate",
}
"""Pages without posts in their HTML, on which no rows may be proposed, and where they came from."""
EMBEDDED = {
    "office-angels-jobs": (
        10,
        "Project Co-ordinator - Graduate or equivalent",
        "Graduate-Entry Level Administrator-£16-18k",
    )
}
"""Those of them that hold posts for their scripts: how many, the first and the last title, as a person reads them."""
PAGES = Path(__file__).parents[2] / "fixtures" / "pages"
MARKERS = ("<!-- guesses -->", "<!-- /guesses -->")
TYPES = {".html": "text/html", ".json": "application/json"}


@dataclass(frozen=True, kw_only=True)
class Grade:
    """What a proposal is worth, and what is missing."""

    file: str
    grade: str
    why: str = ""


def grades() -> list[Grade]:
    """A grade for each saved listing."""
    return [graded(file) for file in expectations("listings")]


def graded(file: str) -> Grade:
    """The grade of a saved listing's proposal, given its address alone."""
    proposal = proposed(file)
    name = file.split("/")[1]
    if name in POSTLESS:
        titles = [post.title for post in proposal.posts]
        found = (len(titles), titles[0], titles[-1]) if proposal.spider == "json" else None
        is_right = found == EMBEDDED.get(name) if proposal.spider else True
        return Grade(file=file, grade="exact" if is_right else "wrong", why="" if found else "nothing to propose")
    if not proposal.spider:
        return Grade(file=file, grade="refused", why=proposal.notes[-1])
    grade, why = _compared(SITES[name], (FOLDER / file).read_bytes(), proposal)
    return Grade(file=file, grade=grade, why=why)


def proposed(file: str) -> Proposal:
    """What is proposed for a saved listing, given its address alone."""
    name = file.split("/")[1]
    site = SITES.get(name, {"params": {"url": POSTLESS.get(name)}, "now": "2026-06-01T00:00:00+00:00"})
    body = (FOLDER / file).read_bytes()
    now = datetime.fromisoformat(site["now"])
    return propose(body, site["params"]["url"], TYPES[Path(file).suffix], now=now)


def _compared(site: Mapping[str, Any], body: bytes, proposal: Proposal) -> tuple[str, str]:
    wanted = list(_wanted(site, body))
    needed = [each for each in wanted if not each.optional]

    def key(post: PostItem) -> str:
        return post.title if "link_template" in site["params"] else post.url

    guessed = {key(post): post for post in proposal.posts}
    known = {key(each.post) for each in wanted}
    missing = [each for each in needed if key(each.post) not in guessed]
    extra = [one for one in guessed if one not in known]
    found = [(each, guessed[key(each.post)]) for each in wanted if key(each.post) in guessed]
    titles = sum(each.post.title != post.title for each, post in found)
    zone = ZoneInfo(proposal.params.get("timezone", "UTC"))
    dates = 0 if site.get("loose") else sum(not each.dated_as(post, zone) for each, post in found)
    counts = {"missing": len(missing), "no posts": len(extra), "other titles": titles, "other dates": dates}
    why = ", ".join(f"{count} of {len(needed)} {what}" for what, count in counts.items() if count)
    if not why:
        return "exact", ""
    near = len(missing) <= 0.1 * len(needed) and len(extra) <= 0.1 * len(needed)
    return ("near" if near else "wrong"), why


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A post as a person's parameters give it."""

    post: PostItem
    # An advertisement, which may be left out.
    optional: bool
    # The times that count as its own, and the zone they are meant in.
    dates: tuple[datetime | None, ...]
    zone: tzinfo

    def dated_as(self, post: PostItem, zone: tzinfo) -> bool:
        """Whether a guessed post has one of the dates, as a moment or as a clock in the page's own zone."""
        at = post.published_at
        return any(
            date == at or (date and at and _clock(date, self.zone) == _clock(at, zone)) for date in self.dates
        ) or self.dates == (None,)


def _clock(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _wanted(site: Mapping[str, Any], body: bytes) -> Iterator[Wanted]:
    params = ListingParams.from_mapping(site["params"])
    params = replace(params, skip=tuple(each for each in params.skip if each.startswith("title:")))
    needed = _read(site, body, replace(params, skip=(*params.skip, *site.get("ads", ()))))
    others = [_read(site, body, replace(params, date=date)) for date in site.get("dates", ())]
    for place, post in _read(site, body, params).items():
        dates = [post.published_at, *(other[place].published_at for other in others)]
        yield Wanted(post=post, optional=place not in needed, dates=tuple(dates), zone=params.zone)


def _read(site: Mapping[str, Any], body: bytes, params: ListingParams) -> dict[str, PostItem]:
    page = parse_listing(body, params.url, params, datetime.fromisoformat(site["now"]))
    return {post.external_id: post for post in page.posts}


def ready_made_grades() -> list[Grade]:
    """A grade for each small page that a ready-made site is tested with."""
    return [_ready_made(name, site) for name, site in ready_made().items()]


def _ready_made(name: str, site: SiteDefinition) -> Grade:
    expected = tomllib.loads((PAGES / name / "expected.toml").read_text(encoding="utf-8"))
    page = next((PAGES / name).glob("page.*"))
    proposal = propose(page.read_bytes(), site.url, now=datetime.fromisoformat(expected["now"]))
    if not proposal.spider:
        return Grade(file=f"{name}/{page.name}", grade="refused", why=f"{len(expected['posts'])} posts")
    same = [post.title for post in proposal.posts] == [post["title"] for post in expected["posts"]]
    return Grade(file=f"{name}/{page.name}", grade="exact" if same else "wrong", why="" if same else "other titles")


def table(found: list[Grade]) -> str:
    """The grades as a table in Markdown, their sum first."""
    sums = Counter(each.grade for each in found)
    lines = ["| page | grade | what differs |", "| --- | --- | --- |"]
    lines += [f"| {each.file.removeprefix('listings/')} | {each.grade} | {_cell(each.why)} |" for each in found]
    return "\n".join([f"{', '.join(f'{sums[grade]} {grade}' for grade in GRADES)} of {len(found)}:", "", *lines])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: list[str]) -> None:
    """Print the tables, or write them into a page between its markers."""
    text = f"Saved boards: {table(grades())}\n\nPages of the ready-made sites: {table(ready_made_grades())}"
    if not arguments:
        print(text)
        return
    page = Path(arguments[0])
    before, _, rest = page.read_text(encoding="utf-8").partition(MARKERS[0])
    after = rest.partition(MARKERS[1])[2]
    page.write_text(f"{before}{MARKERS[0]}\n\n{text}\n\n{MARKERS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
