"""The child's side of a crawl: one process, one spider, one reactor, one report.

`serve` is found by name by the forkserver; it takes an order from its channel and ends the process with the report.

What counts as a good run (`ok`): it ended by itself (`finished`, or at the limit of pages), its start page was read
to the end, and there were no errors or still some items; or it was told that nothing changed. So an exception in
the callback of the start page makes a failed run, whose posts are kept; a second page that is missing is only
counted. The validators are reported by a run without errors alone, since a 304 would hide the posts an error lost.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import fields
from types import FrameType
from typing import Any, Final, NoReturn, cast
from urllib.parse import urlsplit

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.settings import Settings
from scrapy.utils.misc import build_from_crawler, load_object
from twisted.internet import asyncioreactor
from twisted.python.failure import Failure

from pipeline.basics.access import ADDRESSES, without_login
from pipeline.crawling.order import CrawlOrder, CrawlReport
from spiders import middlewares, pipelines, post_pages, robots, sessions
from spiders.child import isolation
from spiders.child.download import refuse_private_addresses
from spiders.child.outgoing import Outgoing
from spiders.child.parent_link import Channel, OrderLostError
from spiders.child.project import load_project, log_errors_only
from spiders.child.recorder import ErrorLog, Recorder, stats_of
from spiders.errors import SpiderError
from spiders.param_values import ParamsError
from spiders.params import PostPageParams
from spiders.request_params import LOGIN, RequestParams

logger = logging.getLogger(__name__)

GOOD_REASONS: Final = ("finished", "closespider_pagecount")

PROBLEM: Final = "crawlpush/problem"
"""Stat in which a spider says why it found no posts."""
EMPTY: Final = "crawlpush/empty"
"""Stat in which a spider says that the page is one without posts, and not one that it cannot read."""
AMBIGUOUS: Final = "crawlpush/ambiguous"
"""Stat in which a spider says that it could not tell most rows apart."""

STOP_GRACE_S: Final = 0.8
"""After `stop`, requests under way get this long; then the report is sent without them. The parent waits 1.5 s."""

POST_PAGES_SHARE: Final = 0.6
"""Of the soft limit of time: later than that no post's page is begun with, so that none makes a crawl fail."""

TIMEOUT_GRACE_S: Final = 3.0
"""The same after the soft time limit, where nobody is in a hurry."""


class UnknownSpiderError(SpiderError, LookupError):
    """A site's spider does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no spider named {name!r}: `scrapy list` shows their names")


def serve(connection: Any) -> NoReturn:
    """Take one order from the connection, crawl, report, and end this process."""
    channel = Channel(connection)
    try:
        order = CrawlOrder(**channel.receive_order())
    except OrderLostError:
        os._exit(0)
    isolation.give_way()
    isolation.set_limits(memory_mb=order.memory_mb, wall_clock_s=order.hard_limit_s)
    threading.stack_size(isolation.THREAD_STACK_BYTES)
    crawl(order, channel)


def crawl(order: CrawlOrder, channel: Channel) -> NoReturn:
    """Crawl, send the report, and end this process without cleaning up what dies with it anyway."""
    project = load_project()
    log_errors_only(project.errors)
    asyncioreactor.install()  # type: ignore[no-untyped-call]
    try:
        spider = project.spiders.load(order.spider)
        _override(project.settings, order)
    except KeyError:
        logger.error("%s", UnknownSpiderError(order.spider))  # noqa: TRY400
        _fail(channel, project.errors)
    except ParamsError as error:
        logger.error("%s", error)  # noqa: TRY400
        _fail(channel, project.errors)
    Run(order, channel, Crawler(spider, project.settings), project.errors).start()
    os._exit(0)


def _fail(channel: Channel, errors: ErrorLog) -> NoReturn:
    """Report a crawl that could not even begin."""
    report = CrawlReport(
        finish_reason="memory" if errors.out_of_memory else "start_error",
        ok=False,
        errors=errors.count,
        first_error=errors.first,
    )
    channel.send("report", vars(report))
    os._exit(0)


def _spider_params(order: CrawlOrder) -> dict[str, Any]:
    """What the spider gets: no passwords, so that none can get into a post, a log or a Referer; nothing that it does
    not need to read its own pages."""
    params = {name: value for name, value in order.params.items() if name not in _NOT_THE_SPIDERS}
    for name in ADDRESSES:
        if isinstance(params.get(name), str):
            params[name] = without_login(params[name])[0]
    return {**params, "timezone": order.timezone}


_NOT_THE_SPIDERS: Final = frozenset(
    {"tls", "headers", "cookies", *LOGIN, *(each.name for each in fields(PostPageParams))}
)


def _override(settings: Settings, order: CrawlOrder) -> None:
    url = str(order.params.get("url") or "")
    own: dict[str, Any] = {
        "USER_AGENT": order.user_agent,
        "ROBOTSTXT_OBEY": order.obey_robots,
        "DOWNLOAD_DELAY": order.download_delay_s,
        "AUTOTHROTTLE_START_DELAY": order.download_delay_s,
        "DOWNLOAD_MAXSIZE": order.download_max_bytes,
        "DOWNLOAD_TIMEOUT": min(order.soft_limit_s, settings.getfloat("DOWNLOAD_TIMEOUT")),
        "CRAWL_DATABASE_URL": order.database_url,
        "CRAWL_SITE_ID": order.site_id,
        "CRAWL_RUN_ID": order.run_id,
        "CRAWL_VALIDATORS": dict(order.validators),
        "CRAWL_ROBOTS": dict(order.robots),
        "CRAWL_OLD_ROBOTS": dict(order.old_robots),
        "CRAWL_HOST": urlsplit(url).hostname,
        "CRAWL_TLS": order.params.get("tls"),
        "CRAWL_LOGIN": without_login(url)[1],
        "CRAWL_OUTGOING": Outgoing(asking := RequestParams.of(order.params), url, os.environ),
        "CRAWL_SESSION": _session(order, asking, without_login(url)[0]),
        "CRAWL_URL": without_login(url)[0],
        "CRAWL_ENCODING": str(order.params.get("encoding") or ""),
        "CRAWL_POST_PAGES": pages if (pages := PostPageParams.chosen(order.params)).is_wanted else None,
        "CRAWL_POST_PAGES_S": order.soft_limit_s * POST_PAGES_SHARE,
    }
    settings.setdict(own, priority="cmdline")


def _session(order: CrawlOrder, params: RequestParams, url: str) -> sessions.SessionOrder | None:
    if not params.login_url:
        return None
    try:
        sessions.fernet(order.session_key)
    except ValueError:
        raise ParamsError(
            "the site wants a login, and SESSION_KEY, by which its cookies are kept, is not set or is no key: make one "
            "by `python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`"
        ) from None
    return sessions.SessionOrder(
        params=params, url=url, key=order.session_key, kept=order.session or "", refused=order.logins_refused
    )


def _no_page(reason: str, *, ok: bool) -> str | None:
    return None if ok or reason != "finished" else "the spider asked for no page"


class Run:
    """One crawl under way: starts the crawler, stops it when told to, and reports."""

    def __init__(self, order: CrawlOrder, channel: Channel, crawler: Crawler, errors: ErrorLog) -> None:
        self._order = order
        self._channel = channel
        self._crawler = crawler
        self._errors = errors
        self._stop_reason: str | None = None
        self._closing: asyncio.Future[None] | None = None
        self._recorder = Recorder(
            crawler, max_pages=order.max_pages, on_limit=lambda: self._close("closespider_pagecount")
        )

    def start(self) -> None:
        """Run the reactor until the crawl is over; `_finish` ends the process from inside."""
        from twisted.internet import reactor

        self._reactor = cast("Any", reactor)
        if not self._order.allow_private:
            refuse_private_addresses(reactor)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        self._channel.listen(lambda command: self._reactor.callFromThread(self._stop, command))
        self._reactor.callWhenRunning(self._crawl)
        self._reactor.run(installSignalHandlers=False)

    def _crawl(self) -> None:
        settings = self._crawler.settings
        resolver = build_from_crawler(
            load_object(settings["TWISTED_DNS_RESOLVER"]), self._crawler, reactor=self._reactor
        )
        resolver.install_on_reactor()
        self._reactor.getThreadPool().adjustPoolsize(0, settings.getint("REACTOR_THREADPOOL_MAXSIZE"))
        self._recorder.on_progress = lambda figures: self._channel.send("progress", figures)
        self._crawler.signals.connect(self._spider_closed, signals.spider_closed)
        self._crawler.crawl(**_spider_params(self._order)).addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        logger.error("the spider could not start", exc_info=failure.value)
        self._finish("start_error")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        # Every process of a service may be told to end at once, and more than once.
        self._reactor.callFromThread(self._stop, "stop")

    def _stop(self, command: str) -> None:
        """Close the spider early: `stop` because the worker ends, `timeout` because it took too long."""
        reason = {"stop": "stopped", "timeout": "timeout"}.get(command)
        if reason is None or self._stop_reason == "stopped":
            return
        self._stop_reason = reason
        self._store()
        self._close(reason)
        grace = STOP_GRACE_S if reason == "stopped" else TIMEOUT_GRACE_S
        self._reactor.callLater(grace, self._finish, reason)

    def _store(self) -> None:
        pipeline = self._pipeline()
        if pipeline is not None:
            pipeline.flush()

    def _pipeline(self) -> pipelines.StorePostPipeline | None:
        try:
            return self._crawler.get_item_pipeline(pipelines.StorePostPipeline)
        except RuntimeError:  # the engine does not exist yet
            return None

    def _close(self, reason: str) -> None:
        if self._crawler.spider is not None and self._crawler.crawling:
            self._closing = asyncio.ensure_future(self._close_spider(reason))

    async def _close_spider(self, reason: str) -> None:
        try:
            await self._crawler.engine.close_spider_async(reason=reason)
        except RuntimeError:  # not open yet, or closed already
            return

    def _spider_closed(self, reason: str, **_: Any) -> None:
        # Not at once: the spider's own closed() may be the next to hear of it.
        self._reactor.callLater(0, self._finish, reason)

    def _finish(self, reason: str) -> NoReturn:
        self._store()
        self._channel.send("report", vars(self._report(reason)))
        os._exit(0)

    def _report(self, reason: str) -> CrawlReport:
        stats = stats_of(self._crawler)
        figures = self._recorder.figures()
        errors = self._errors
        not_modified = bool(stats.get(middlewares.NOT_MODIFIED)) and not figures["pages"] and not errors.count
        reason = self._final_reason(self._stop_reason or reason, stats, pages=figures["pages"])
        saw_something = bool(figures["pages"]) and (not errors.count or bool(figures["items_seen"]))
        saw_something = saw_something and not self._recorder.start_page_failed
        ok = reason in GOOD_REASONS and (not_modified or saw_something)
        return CrawlReport(
            finish_reason=reason,
            ok=ok,
            **figures,
            status_counts=dict(self._recorder.statuses),
            errors=errors.count,
            # A run that found nothing has no error, but a reason that its owner wants to read.
            first_error=self._said(errors.first or stats.get(PROBLEM) or _no_page(reason, ok=ok)),
            not_modified=not_modified,
            problem=self._said(stats.get(PROBLEM)),
            shown=stats.get(pipelines.SHOWN, ()),
            post_pages=stats.get(post_pages.READ, 0),
            page_problem=self._said(stats.get(post_pages.PROBLEM)),
            is_empty=bool(stats.get(EMPTY)),
            is_ambiguous=bool(stats.get(AMBIGUOUS)),
            retry_after_s=stats.get(middlewares.RETRY_AFTER),
            validators=stats.get(middlewares.VALIDATORS, {}) if ok and not errors.count else {},
            robots=stats.get(robots.ROBOTS, {}),
            session=stats.get(sessions.KEPT),
            login_refused=bool(stats.get(sessions.REFUSED)),
            private_mb=isolation.private_mb() if self._order.measure_memory else None,
        )

    def _said(self, text: str | None) -> str | None:
        """A text of the report without what a server may have made of the secrets that it was shown."""
        outgoing: Outgoing = self._crawler.settings["CRAWL_OUTGOING"]
        return text and outgoing.without_secrets(text)

    def _final_reason(self, reason: str, stats: Mapping[str, Any], *, pages: int) -> str:
        """Scrapy's reason, unless something that it does not look at says more."""
        if self._errors.out_of_memory:
            return "memory"
        if failed := stats.get(pipelines.FAILED):
            return str(failed)
        if reason == "finished" and not pages and stats.get("robotstxt/forbidden"):
            return "robots_unreachable" if stats.get(robots.UNREACHABLE) else "robots"
        return reason
