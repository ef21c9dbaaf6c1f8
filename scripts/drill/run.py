"""A drill from its begin to its facts: start everything, let it go wrong, heal it, wait, and look at the phones."""

import heapq
import json
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError

from scripts.board.process import BoardProcess
from scripts.drill.faults import Mischief
from scripts.drill.plan import PROCESSES, Mishap, Plan
from scripts.drill.view import View
from scripts.errors import CommandError
from scripts.testbed import database as questions
from scripts.testbed.boards import boards, site_params
from scripts.testbed.database import Progress
from scripts.testbed.findings import EXPLAINED, Result, gather, write_findings
from scripts.testbed.population import SITES, Notice, Person, expected, notices, population
from scripts.testbed.servers import Servers, servers
from scripts.testbed.supervisor import Crawls, Crew
from scripts.testbed.verdict import judge, lost
from storage.session import Database

TICK_S = 0.03
ASK_S = 1.0
"""How often the gateway and the database are asked how far the product is."""
START_S = 90.0
QUIET_ASKS = 3
"""Nothing is owed when so many answers in a row say so."""
PATIENCE_S = 400.0
"""After so long without any progress, what is still owed counts as lost: leases and visibility timeouts of a minute or
three, and the waits of a delivery that failed often, are by design."""
LATE_S = 30.0
"""A mishap whose victim does not appear for so long is left out."""
UNREAD_MOST = 12
"""No more posts than this stand on the boards unread: more at once would be a flood, which is held for approval."""
SETTINGS = {"TICK_S": "1", "SWEEP_S": "5", "CRAWL_DELAY_S": "0.3", "CRAWL_CONTACT": "drill@crawlpush.example"}
"""What a drill needs otherwise than a deployment; whoever sets these in the environment knows better."""
USUAL_FAULTS: Mapping[str, Any] = {"latency_ms": 30, "jitter_ms": 30}


class DrillError(CommandError, RuntimeError):
    """The drill itself could not be done."""


def run_drill(plan: Plan, *, users: int, database: str, folder: Path, view: View) -> Result:
    """Do a drill in a folder; raises DrillError when it does not even begin."""
    people = population(plan.seed, users)
    appearing = notices(plan.seed, len(plan.posts_at_s))
    wanted = expected(people, appearing)
    (folder / "plan.json").write_text(json.dumps(plan.to_json(), indent=1, ensure_ascii=False))
    view.plan(plan, users=users, notifications=len(wanted), database=database)
    with (
        servers(folder, database, keep=2 * len(wanted) + 10_000) as on,
        boards() as opened,
        closing(Database(on.database_url, pool_size=1)) as asked,
    ):
        return _Drill(plan, people, appearing, wanted, on, opened, asked, view).run()


class _Drill:
    def __init__(
        self,
        plan: Plan,
        people: list[Person],
        appearing: list[Notice],
        wanted: set[tuple[int, str]],
        on: Servers,
        opened: Mapping[str, BoardProcess],
        database: Database,
        view: View,
    ) -> None:
        self._plan, self._people, self._wanted = plan, people, wanted
        self._waiting = list(zip(plan.posts_at_s, appearing, strict=True))[::-1]
        self._appeared: list[Notice] = []
        self._on, self._boards, self._database, self._view = on, opened, database, view
        slices = {"FANOUT_SLICE": str(max(50, len(people) // 5))}
        self._crew = Crew(on, {**SETTINGS, **slices, **on.environment}, PROCESSES)
        self._crawls = Crawls()
        dead = [phone.token for person in people for phone in person.phones if phone.dead]
        self._mischief = Mischief(
            on, self._crew, self._crawls, database, usual_faults={**USUAL_FAULTS, "dead_tokens": dead}
        )
        self._began = time.monotonic()
        self._origin = self._began
        self._asked_at = 0.0
        self._progress = Progress(stored=0, open_posts=0, owed=0)

    def run(self) -> Result:
        try:
            self._start()
            self._let_it_go_wrong()
            healed_at = time.monotonic()
            self._heal()
            self._wait_until_nothing_is_owed()
            healed_s = time.monotonic() - healed_at
        finally:
            self._crew.close()
            self._mischief.heal()
        facts = gather(
            self._on,
            self._database,
            expected=self._wanted,
            appeared=self._appeared,
            strays=self._crawls.strays,
            in_flight=self._mischief.in_flight(),
        )
        slowest = questions.slowest(self._database, EXPLAINED)
        result = Result(
            plan=self._plan,
            notifications=len(self._wanted),
            verdict=judge(facts),
            done=self._mischief.done,
            ended=self._crew.ended,
            seconds=time.monotonic() - self._began,
            healed_s=healed_s,
            slowest_s=slowest[0][1] if slowest else 0.0,
        )
        examples = {"lost": lost(facts), "slowest": [pair for pair, _ in slowest]}
        write_findings(self._on.folder, self._database, result, self._appeared, examples)
        return result

    def _start(self) -> None:
        questions.fill(self._database, self._people, site_params(self._boards))
        self._mischief.calm_gateway()
        self._crew.start(*PROCESSES)
        deadline = time.monotonic() + START_S
        while questions.crawled(self._database) != set(SITES):
            if time.monotonic() > deadline:
                raise DrillError(f"nothing was crawled within {START_S:g} s: see the logs in {self._on.folder}")
            self._look()
        self._origin = time.monotonic()
        self._say("everything runs")

    def _let_it_go_wrong(self) -> None:
        order = iter(range(10**9))
        begin = [(mishap.at_s, next(order), mishap) for mishap in self._plan.mishaps]
        end: list[tuple[float, int, Mishap]] = []
        while begin or end or self._waiting:
            self._look()
            at = self._at()
            while end and end[0][0] <= at:
                mishap = heapq.heappop(end)[2]
                self._mischief.end(mishap)
                self._say(f"over: {mishap.kind}")
            for entry in [entry for entry in begin if entry[0] <= at]:
                mishap = entry[2]
                if self._mischief.begin(mishap):
                    begin.remove(entry)
                    self._say(str(mishap))
                    if self._mischief.lasts(mishap):
                        heapq.heappush(end, (self._at() + mishap.seconds, next(order), mishap))
                elif at > mishap.at_s + LATE_S:
                    begin.remove(entry)
                    self._say(f"left out: {mishap}")
            self._publish()

    def _at(self) -> float:
        return time.monotonic() - self._origin

    def _look(self) -> None:
        """What is done all the time."""
        time.sleep(TICK_S)
        for surprise in self._crew.look():
            self._say(surprise)
        self._crawls.look(self._crew.pid("crawler"))
        if time.monotonic() >= self._asked_at + ASK_S:
            self._asked_at = time.monotonic()
            if not self._mischief.database_away:
                try:
                    self._mischief.look()
                    self._progress = questions.progress(self._database)
                except OperationalError as error:
                    self._say(f"the drill's own question failed: {error.orig}")
            self._view.progress(
                at_s=self._at(),
                appeared=len(self._appeared),
                shown=self._on.gateway.stats()["shown"],
                done=self._mischief.done,
            )

    def _publish(self) -> None:
        """Let the next post appear when it is time, unless the boards are full of unread ones."""
        if not self._waiting or self._waiting[-1][0] > self._at():
            return
        if len(self._appeared) - self._progress.stored < UNREAD_MOST:
            _, notice = self._waiting.pop()
            self._boards[notice.site].add_post(notice.title)
            self._appeared.append(notice)

    def _heal(self) -> None:
        self._mischief.heal()
        for site in SITES:
            questions.set_schedule(self._database, site, "5s")
        self._say("everything is healed")

    def _wait_until_nothing_is_owed(self) -> None:
        changed_at = time.monotonic()
        quiet, known, asked_at = 0, self._progress, self._asked_at
        while quiet < QUIET_ASKS:
            if time.monotonic() > changed_at + PATIENCE_S:
                self._say(f"still owed, and no progress for {PATIENCE_S:g} s: {known}")
                return
            self._look()
            if self._asked_at == asked_at:
                continue
            asked_at = self._asked_at
            if self._progress != known:
                known, changed_at = self._progress, time.monotonic()
            quiet = quiet + 1 if known.is_settled(len(self._appeared)) else 0
        self._say("nothing is owed any more")

    def _say(self, what: str) -> None:
        with (self._on.folder / "journal.log").open("a") as journal:
            journal.write(f"{time.strftime('%H:%M:%S')} {self._at():7.1f} s  {what}\n")
        self._view.say(self._at(), what)
