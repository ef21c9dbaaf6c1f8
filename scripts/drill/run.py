"""A drill from its begin to its facts: start everything, let it go wrong, heal it, wait, and look at the phones."""

import heapq
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError

from pipeline.resources import now
from scripts.drill.api_reader import ApiReader
from scripts.drill.faults import FaultInjector
from scripts.drill.findings import EXPLAINED, Result, write_findings
from scripts.drill.kinds import NOTIFIERS, ODD_APNS, ODD_FCM
from scripts.drill.plan import Fault, Plan
from scripts.drill.view import View
from scripts.local.embedded_redis import free_port
from scripts.testbed import database as questions
from scripts.testbed.crawls import Crawls
from scripts.testbed.database import Attempts, Progress
from scripts.testbed.errors import InstallationError
from scripts.testbed.facts import gather
from scripts.testbed.installation import Installation, installation
from scripts.testbed.population import (
    SITES,
    Notice,
    Person,
    edited,
    expected,
    notices,
    population,
    revision_of,
    site_of,
    wants,
)
from scripts.testbed.timings import step
from scripts.testbed.verdict import Pair, judge, lost

ASK_S = 1.0
"""How often the gateway and the database are asked how far the product is."""
PATIENCE_S = 400.0
"""After so long without any progress, what is still owed counts as lost: leases and visibility timeouts of a minute or
three, and the waits of a delivery that failed often, are by design."""
LATE_S, LATE_PART = 30.0, 0.25
"""A fault whose victim does not appear for so long, or for such a part of the drill, is left out."""
UNREAD_MOST = 12
"""No more posts than this stand on the boards unread: more at once would be a flood, which is held for approval."""
EDITED_MOST = 3
"""No more edits than this are under way: five at once may be a flood, which replaces nothing."""
EDITABLE = 4
"""Only so many of a site's newest posts are edited: they are on its first page still when that is read."""
SETTINGS = {
    "TICK_S": "1",
    "SWEEP_S": "5",
    "CRAWL_DELAY_S": "0.3",
    "CRAWL_CONTACT": "drill@crawlpush.example",
    "API_KEY_PER_MINUTE": "1000000",
    "DIGEST_SPREAD_S": "1",
}
"""Settings that differ from a deployment's; one that is set in the environment goes before them."""
LONGEST = timedelta(minutes=2)
"""So long after the healing everybody has what they are owed, or at the next time that they want to hear."""
READERS = 4
"""Persons whose inboxes are looked at all the time: those with the most posts."""
SUBSCRIBER = "who-subscribes-and-unsubscribes"
SCHEDULE = "5s"
USUAL_FAULTS: Mapping[str, Any] = {"latency_ms": 30, "jitter_ms": 30}


def run_drill(plan: Plan, *, users: int, database: str, folder: Path, view: View) -> Result:
    """Do a drill in a folder; raises InstallationError when it does not even begin."""
    people = population(plan.seed, users)
    appearing = notices(plan.seed, len(plan.posts_at_s))
    wanted = expected(people, appearing)
    port = free_port()
    (folder / "plan.json").write_text(json.dumps(plan.to_json(), indent=1, ensure_ascii=False))
    view.plan(plan, users=users, notifications=len(wanted), database=database)
    with installation(
        folder,
        people,
        database=database,
        notifiers=len(NOTIFIERS),
        schedule=SCHEDULE,
        keep=4 * len(wanted) + 10_000,
        latency_ms=0,
        settings={**SETTINGS, "FANOUT_SLICE": str(max(50, users // 5)), "PORT": str(port)},
        more=("web",),
        proxied=True,
        minutes=plan.seconds / 60,
    ) as running:
        key = questions.add_server_key(running.database)
        questions.let_edits_replace(running.database)
        web = partial(running.supervisor.pid, "web")
        reader = ApiReader(port, key, _readers(people, appearing), SUBSCRIBER, web)
        return _Drill(plan, people, appearing, wanted, running, reader, view).run()


def _readers(people: list[Person], appearing: list[Notice]) -> dict[str, set[int]]:
    """Some persons, by name, with the numbers of the posts that are for them."""
    posts = {person.name: {notice.number for notice in appearing if wants(person, notice)} for person in people}
    return {name: posts[name] for name in sorted(posts, key=lambda name: -len(posts[name]))[:READERS]}


def _odd_phones(people: list[Person], wanted: set[Pair]) -> dict[str, str]:
    """An iPhone and an Android phone that are owed something, by the names that stand for them."""
    owed = {token for _, token in wanted}
    phones = [phone for person in people for phone in person.phones if phone.token in owed]
    return {
        name: phone.token
        for name, platform in ((ODD_APNS, "apns"), (ODD_FCM, "fcm"))
        for phone in [next(phone for phone in phones if phone.platform == platform)]
    }


class _Drill:
    def __init__(
        self,
        plan: Plan,
        people: list[Person],
        appearing: list[Notice],
        wanted: set[Pair],
        running: Installation,
        reader: ApiReader,
        view: View,
    ) -> None:
        self._plan, self._wanted, self._reader = plan, wanted, reader
        self._waiting = list(zip(plan.posts_at_s, appearing, strict=True))[::-1]
        self._appeared: list[Notice] = []
        self._edits = list(plan.edits)
        self._edited = 0
        self._attempts: Attempts = {}
        self._running, self._view = running, view
        self._crawls = Crawls()
        dead = [phone.token for person in people for phone in person.phones if phone.dead]
        odd = _odd_phones(people, wanted)
        self._odd = set(odd.values())
        self._faults = FaultInjector(
            running,
            self._crawls,
            reader,
            usual_faults={**USUAL_FAULTS, "dead_tokens": dead},
            odd=odd,
            spared={*dead, *self._odd},
        )
        self._began = time.monotonic()
        self._origin = self._began
        self._asked_at = 0.0
        self._progress = Progress(stored=0, open_posts=0, owed=0, open_edits=0)

    def run(self) -> Result:
        try:
            self._faults.calm_gateway()
            self._running.wait_for_baseline(self._look)
            self._origin = time.monotonic()
            self._say("everything runs")
            self._reader.start()
            self._let_it_go_wrong()
            self._heal()
            healed_at = now()
            self._wait_until_nothing_is_owed()
            healed_s = (now() - healed_at).total_seconds()
            self._reader.stop()
        finally:
            self._running.supervisor.stop()
            self._faults.heal()
        database = self._running.database
        facts = gather(
            self._running.on,
            database,
            expected=self._wanted,
            appeared=self._appeared,
            attempts=self._attempts,
            revisions={notice.number: revision_of(notice.title) for notice in self._appeared},
            strays=self._crawls.strays,
            in_flight=self._faults.in_flight(),
            excused=frozenset(self._odd | self._faults.removed),
            late=questions.sent_since(database, healed_at + LONGEST + step(self._plan.seconds / 60)),
            wrong_answers=len(self._reader.wrong),
        )
        slowest = questions.slowest(database, EXPLAINED)
        result = Result(
            plan=self._plan,
            notifications=len(self._wanted),
            edits=self._edited,
            verdict=judge(facts),
            done=self._faults.done,
            answers={
                "right": self._reader.right,
                "unavailable": self._reader.unavailable,
                "none": self._reader.unanswered,
                "slowest_s": round(self._reader.slowest_s, 1),
            },
            ended=self._running.supervisor.exits,
            seconds=time.monotonic() - self._began,
            healed_s=healed_s,
            slowest_s=slowest[0][1] if slowest else 0.0,
        )
        examples = {"lost": lost(facts), "slowest": [pair for pair, _ in slowest]}
        write_findings(self._running.on.folder, database, result, self._appeared, examples, self._reader.wrong)
        return result

    def _let_it_go_wrong(self) -> None:
        order = iter(range(10**9))
        begin = list(self._plan.faults)
        end: list[tuple[float, int, Fault]] = []
        while begin or end or self._waiting or self._edits:
            self._look()
            at = self._at()
            while end and end[0][0] <= at:
                fault = heapq.heappop(end)[2]
                self._faults.end(fault)
                self._say(f"over: {fault.kind}")
            for fault in [fault for fault in begin if fault.at_s <= at]:
                if self._faults.begin(fault):
                    begin.remove(fault)
                    self._say(str(fault))
                    if self._faults.lasts(fault):
                        heapq.heappush(end, (self._at() + fault.seconds, next(order), fault))
                elif at > fault.at_s + min(LATE_S, LATE_PART * self._plan.seconds):
                    begin.remove(fault)
                    self._say(f"left out: {fault}")
            self._publish()
            self._edit()

    def _at(self) -> float:
        return time.monotonic() - self._origin

    def _look(self) -> None:
        """What is done all the time."""
        for sentence in self._running.look():
            self._say(sentence)
        self._crawls.look(self._running.supervisor.pid("crawler"))
        if time.monotonic() >= self._asked_at + ASK_S:
            self._asked_at = time.monotonic()
            if not self._faults.database_away:
                try:
                    self._faults.look()
                    self._attempts = questions.most(self._attempts, questions.attempts(self._running.database))
                    self._progress = self._running.progress()
                except OperationalError as error:
                    self._say(f"the drill's own question failed: {error.orig}")
            self._view.progress(
                at_s=self._at(),
                appeared=len(self._appeared),
                shown=self._running.on.gateway.stats()["shown"],
                done=self._faults.done,
            )

    def _publish(self) -> None:
        """Let the next post appear when it is time, unless the boards are full of unread ones."""
        if not self._waiting or self._waiting[-1][0] > self._at():
            return
        if len(self._appeared) - self._progress.stored < UNREAD_MOST:
            _, notice = self._waiting.pop()
            self._running.add_post(notice)
            self._appeared.append(notice)

    def _edit(self) -> None:
        """Let the next edit happen when it is time, unless others are under way."""
        if not self._edits or self._edits[0][0] > self._at() or self._progress.open_edits >= EDITED_MOST:
            return
        _, number = self._edits.pop(0)
        newest = [at for at, notice in enumerate(self._appeared) if notice.site == site_of(number)][-EDITABLE:]
        for at in newest:
            if self._appeared[at].number == number:
                self._appeared[at] = edited(self._appeared[at])
                self._running.edit_post(self._appeared[at])
                self._progress = replace(self._progress, open_edits=self._progress.open_edits + 1)
                self._edited += 1

    def _heal(self) -> None:
        self._faults.heal()
        for site in SITES:
            questions.set_schedule(self._running.database, site, SCHEDULE)
        self._say("everything is healed")

    def _wait_until_nothing_is_owed(self) -> None:
        try:
            self._running.wait_until_nothing_is_owed(len(self._appeared), self._look, patience_s=PATIENCE_S)
        except InstallationError as error:
            self._say(str(error))
        else:
            self._say("nothing is owed any more")

    def _say(self, what: str) -> None:
        with (self._running.on.folder / "journal.log").open("a") as journal:
            journal.write(f"{time.strftime('%H:%M:%S')} {self._at():7.1f} s  {what}\n")
        self._view.say(self._at(), what)
