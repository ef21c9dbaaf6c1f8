"""The page "Now": whether all is well, what needs a person first, and what happens at this moment."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from sqlalchemy.exc import DBAPIError
from starlette.responses import Response

from pipeline.crawling.health import HEALTHS
from pipeline.state.report import TROUBLED, DatabaseNews, Report, Reporter
from pipeline.web.context import Context
from pipeline.web.pages.call import Call
from pipeline.web.pages.charts import Chart, chart
from pipeline.web.pages.mount import ROOT
from storage import overview
from storage.pauses import Scope

STEP: Final = timedelta(minutes=5)
STEPS: Final = 12
FRESH_FOR: Final = timedelta(seconds=2)
STALE_AFTER: Final = timedelta(seconds=15)
"""A picture older than FRESH_FOR is shown once more while the next is taken; one older than this is not."""
NEEDS_SHOWN: Final = 12
OUTCOMES: Final = ("delivered", "retry", "failed")


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that does not get well by itself."""

    # One of the table's sentences, and what it is filled with.
    sentence: str
    values: Mapping[str, object]
    # Where on the pages a person goes on; empty: nowhere.
    link: str = ""
    # What to type, if a command is the way out.
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """All that the page shows."""

    report: Report
    needs: Sequence[Need]
    posts: Chart | None = None
    pushes: Chart | None = None


class Camera:
    """Takes the picture at most every two seconds, however many look, and lets nobody wait who may see the last one."""

    def __init__(self, services: Context) -> None:
        self._services = services
        self._reporter = Reporter(services.settings, services.database, services.redis, services.broker)
        self._taking = threading.Lock()
        self._last: Picture | None = None

    def picture(self) -> Picture:
        """The picture of this moment, or of one shortly before it."""
        last, at = self._last, self._services.clock()
        age = at - last.report.at if last else STALE_AFTER
        if last is not None and timedelta() <= age < FRESH_FOR:
            return last
        if last is not None and timedelta() <= age < STALE_AFTER:
            if self._taking.acquire(blocking=False):
                threading.Thread(target=self._take_and_release, daemon=True).start()
            return last
        with self._taking:
            return self._take()

    def _take_and_release(self) -> None:
        try:
            self._take()
        finally:
            self._taking.release()

    def _take(self) -> Picture:
        report = self._reporter.report()
        edges = [report.at - STEP * (STEPS - number) for number in range(STEPS + 1)]
        charts: Mapping[str, Chart] = {}
        try:
            with self._services.database.reading() as session:
                charts = dict(_charts(*overview.by_step(session, edges), self._clock_times(edges)))
        except DBAPIError:
            # The report tells that the database is away.
            pass
        self._last = Picture(report=report, needs=list(needs(report)), **charts)
        return self._last

    def _clock_times(self, edges: Sequence[datetime]) -> list[str]:
        zone = self._services.settings.display_zone
        return [edge.astimezone(zone).strftime("%H:%M") for edge in edges[:-1]]


def _charts(
    posts: Sequence[int], pushes: Sequence[Mapping[str, int]], times: Sequence[str]
) -> Iterator[tuple[str, Chart]]:
    yield "posts", chart([{"post": n} for n in posts], titles=[f"{t}: {n}" for t, n in zip(times, posts, strict=True)])
    stacks = [{name: counts.get(name, 0) for name in OUTCOMES} for counts in pushes]
    titles = [
        f"{t}: {', '.join(f'{k} {n}' for k, n in s.items() if n) or 0}" for t, s in zip(times, stacks, strict=True)
    ]
    yield "pushes", chart(stacks, titles=titles)


def needs(report: Report) -> Iterator[Need]:
    """What needs a person, the most pressing first. Pure."""
    for problem in report.problems:
        yield Need(sentence="{problem}", values={"problem": problem})
    if report.redis:
        for problem in filter(None, (report.redis.beat_problem, report.redis.dispatcher_problem)):
            yield Need(sentence="{problem}", values={"problem": problem})
    if report.database:
        yield from _of_channels(report.database)
    for name, queue in (report.queues or {}).items():
        if queue.late:
            yield Need(
                sentence="The queue {name} is late: its oldest message has waited for {age} s.",
                values={"name": name, "age": int(queue.oldest_s)},
            )
    if report.database:
        yield from _of_sites(report.database)


def _of_channels(news: DatabaseNews) -> Iterator[Need]:
    for channel in news.channels:
        name = channel.channel
        if channel.fault:
            yield Need(
                sentence="Channel {name} is paused by a fault: {code} {reason}",
                values={"name": name, "code": channel.fault.code, "reason": channel.fault.reason},
                command=f"crawlpush channels resume {name}",
            )
        if channel.trouble:
            yield Need(
                sentence="The vendor of channel {name} takes nothing: {code} {reason}",
                values={
                    "name": name,
                    "code": channel.trouble.trouble_code or "",
                    "reason": channel.trouble.trouble_detail or "",
                },
            )


_OF_HEALTH: Final = {
    "held": "{name}: {held} posts are held, far more than usual. Release or drop them.",
    "broken": "{name} is broken: its crawls fail.",
    "suspect": "{name} is suspect: its crawls find no posts.",
    "ids change": "{name}: the ids of its posts change.",
}


def _of_sites(news: DatabaseNews) -> Iterator[Need]:
    for site in news.sites:
        if site.health in TROUBLED:
            place = (
                f"{ROOT}/held?site={quote(site.name)}" if site.health == "held" else f"{ROOT}/sites/{quote(site.name)}"
            )
            yield Need(sentence=_OF_HEALTH[site.health], values={"name": site.name, "held": site.held}, link=place)


def scope_words(call: Call, scope: Scope) -> str:
    """What a pause is about."""
    if scope.activity == "crawl":
        return call.say("crawls of {site}", site=scope.site) if scope.site else call.say("all crawls")
    if scope.site:
        return call.say("pushes of posts of {site}", site=scope.site)
    return call.say("pushes over {channel}", channel=scope.channel) if scope.channel else call.say("all pushes")


class NowPage:
    """Shows the picture; the page asks for itself again every few seconds."""

    def __init__(self, services: Context) -> None:
        self._camera = Camera(services)

    def __call__(self, call: Call) -> Response:
        """Answer a request."""
        picture = self._camera.picture()
        database = picture.report.database
        healths = Counter(site.health for site in database.sites) if database else Counter[str]()
        return call.page(
            "now.html",
            picture=picture,
            report=picture.report,
            healths=[(word, healths[word]) for word in HEALTHS if healths[word]],
            needs=picture.needs[:NEEDS_SHOWN],
            more=max(0, len(picture.needs) - NEEDS_SHOWN),
            scope_words=lambda scope: scope_words(call, scope),
            outcomes=OUTCOMES,
        )
