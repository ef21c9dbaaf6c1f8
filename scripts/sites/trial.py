"""A crawl that leaves nothing behind: what would this definition store?

It is an ordinary crawl, in an ordinary child, into a database that is thrown away afterwards.
"""

import json
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.basics.access import masked
from pipeline.basics.text import last_line
from pipeline.crawling import child
from pipeline.crawling.crawler import order_for
from pipeline.crawling.order import CrawlOrder, CrawlReport
from pipeline.resources import now
from pipeline.settings import Settings
from scripts.errors import CommandError
from spiders.definitions import SiteDefinition
from spiders.saved_pages import SavedPage
from storage import migrate, posts, sites
from storage.models import Post
from storage.session import Database


class TrialError(CommandError):
    """The page could not be read, or the definition finds nothing on it."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What spiders.guessing.propose says of a page, as it comes out of the child."""

    spider: str
    params: dict[str, Any]
    posts: list[dict[str, Any]]
    feeds: list[str]
    notes: list[str]
    # The page's text and its address after redirects, where a listing was or could be read off it.
    page: dict[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a definition finds."""

    posts: Sequence[Post]
    # The first of them whose own page was asked for, if the definition wants those, and why some were not read.
    asked: Sequence[Post] = ()
    page_problem: str | None = None


AGES_S = 100 * 365 * 86_400
PAGES = 3
"""So many posts' own pages are read in a trial."""


def found_posts(definition: SiteDefinition, settings: Settings) -> Sequence[Post]:
    """The posts that a definition finds now.

    Raises TrialError when it finds none, takes different ones for one, or finds nothing on any of the posts' own pages.
    """
    found = tried(definition, settings)
    if found.asked and all(post.attachments is None for post in found.asked):
        raise TrialError(
            f"{len(found.posts)} posts were found, but none of their own pages is read: {found.page_problem}"
        )
    return found.posts


def tried(definition: SiteDefinition, settings: Settings) -> Trial:
    """The same with some of the posts' own pages, whatever these are. Raises TrialError when no posts are found."""
    with tempfile.TemporaryDirectory(prefix="crawlpush-trial-") as folder:
        url = f"sqlite:///{folder}/trial.db"
        migrate.upgrade(url)
        database = Database(url)
        try:
            with database.writing() as session:
                # The pages of posts are read where these are pushed: after the baseline, whatever their age.
                site = sites.add(
                    session, name="trial", spider=definition.spider, now=now(), baseline_done=True, max_age_s=AGES_S
                )
                run_id = sites.queue_run(session, site.id, trigger="trial", now=now()) or 0
                order = replace(_order(definition, settings), database_url=url, site_id=site.id, run_id=run_id)
                order = replace(order, params={**order.params, "max_posts": PAGES})
            report = _crawl(order)
            with database.reading() as session:
                found = posts.of_run(session, run_id, limit=1000)
        finally:
            database.close()
    if not report.ok or report.is_ambiguous or not found:
        raise TrialError(failure(definition, report))
    asked = [post for post in found if post.page_tries is not None or post.attachments is not None][:PAGES]
    return Trial(posts=found, asked=asked, page_problem=report.page_problem)


def proposal(definition: SiteDefinition, settings: Settings) -> Proposal:
    """What the page at `params["url"]` looks like: a feed, or a board with guessed selectors. Raises TrialError."""
    with looked_at(definition, settings, spider="propose") as output:
        return Proposal(**json.loads(output.read_text(encoding="utf-8")))


def fetched(definition: SiteDefinition, settings: Settings, *, accepts: str = "") -> SavedPage:
    """The page at `params["url"]`, fetched as a crawl fetches it. Raises TrialError."""
    with looked_at(definition, settings, spider="fetch", accepts=accepts) as output:
        said = json.loads(output.read_text(encoding="utf-8"))
        return SavedPage(body=output.with_suffix(".page").read_bytes(), **said)


@contextmanager
def looked_at(definition: SiteDefinition, settings: Settings, *, spider: str, **arguments: str) -> Iterator[Path]:
    """The file in which one of the spiders that look at a single page left its result. Raises TrialError."""
    with tempfile.TemporaryDirectory(prefix="crawlpush-trial-") as folder:
        output = Path(folder) / "result.json"
        order = _order(definition, settings)
        params = {**order.params, **arguments, "output": str(output)}
        report = _crawl(replace(order, spider=spider, params=params))
        if not output.exists():
            raise TrialError(failure(definition, report))
        yield output


def failure(definition: SiteDefinition, report: CrawlReport) -> str:
    """Why a crawl gave nothing, in one sentence with the way out."""
    url = masked(str(definition.params.get("url") or "the site"))
    if report.finish_reason == "robots":
        return f"robots.txt of {url} forbids the crawl: ask its owner, or give a reason with --robots-exempt"
    if report.is_empty:
        return f"{url} holds no posts: {report.problem}; --no-check adds it all the same, and its first post is pushed"
    if report.problem:
        return f"{url} was read, but {'' if report.is_ambiguous else 'no posts were found: '}{report.problem}"
    if report.first_error:
        return f"{url} could not be crawled: {last_line(report.first_error).removesuffix(f': {url}')}"
    statuses = ", ".join(sorted(report.status_counts)) or "no answer"
    return f"{url} was read ({statuses}), but no posts were found: check the parameters, or try `crawlpush sites try`"


def _order(definition: SiteDefinition, settings: Settings) -> CrawlOrder:
    return order_for(
        settings,
        run_id=0,
        site_id=0,
        site_name="trial",
        spider=definition.spider,
        params=definition.params,
        timezone=definition.timezone,
        database_url="",
        obey_robots=not definition.robots_exempt_reason,
        allow_private=definition.allow_private,
    )


def _crawl(order: CrawlOrder) -> CrawlReport:
    try:
        return child.run_child(order, stop=threading.Event())
    finally:
        child.forkserver.stop()
