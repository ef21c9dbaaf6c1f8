"""What a person sees of a drill: the plan, how far it is, and the verdict."""

from collections import Counter
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from scripts.drill.findings import Result
from scripts.drill.kinds import RULES, Kind, Rule
from scripts.drill.plan import Plan

PLAIN_EVERY_S = 10.0
"""Where there is no terminal, how far it is is said so often."""
MEANINGS = {
    "lost": "not shown on a phone that should show it",
    "shown_twice": "shown more than once on one phone",
    "sent_to_others": "shown on a phone that should not show it",
    "posts_missed": "posts that appeared and were not stored",
    "overlaps": "crawls of a site that overlapped",
    "late": "sent more than two minutes after everything was healed, and whoever has digests had the next",
    "wrong_answers": "answers of the API that are neither right nor 503, or did not come",
    "edits_rang": "messages about an edit that made a sound",
    "older_text": "phones that show an older text than the post's site, or did after a newer one",
    "edits_twice": "edits that a phone got again, and no kill and no lost answer explains that",
    "unexplained": "repeated sends that no kill and no lost answer explains",
    "edits_shown": "edits that phones took, each once",
    "sent_again": "repeated sends, under the same tag",
    "answers_lost": "of these: after answers that the gateway did not send",
    "in_flight": "sends, at most, that kills and losses of the database cut off",
    "answers": "of the API: 503 is unavailable; none while its process was down or stood still",
    "digests": "notifications of several posts, for people who say when they want to hear",
    "sent_to_dead": "sends to tokens that were known to be dead, or being learned",
}
PROMISES = (
    "lost",
    "shown_twice",
    "sent_to_others",
    "posts_missed",
    "overlaps",
    "late",
    "wrong_answers",
    "edits_rang",
    "older_text",
    "edits_twice",
    "unexplained",
)


class View:
    """Shows a drill on a console: as moving bars on a terminal, else line by line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._said_at = -PLAIN_EVERY_S
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[done]}"),
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._posts = self._bars.add_task("posts", total=None, done="")
        self._shown = self._bars.add_task("shown", total=None, done="")
        self._totals = (0, 0)

    def __enter__(self) -> "View":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def plan(self, plan: Plan, *, users: int, notifications: int, database: str) -> None:
        """Show what will happen."""
        self._totals = (len(plan.posts_at_s), notifications)
        self._bars.update(self._posts, total=self._totals[0])
        self._bars.update(self._shown, total=self._totals[1])
        self._console.print(
            f"Seed {plan.seed}: {self._totals[0]} posts for {users} users in {plan.seconds:g} s on {database}, "
            f"{notifications} notifications"
        )
        counts = Counter(fault.kind for fault in plan.faults)
        self._console.print("; ".join(f"{kind}: {count}" for kind, count in counts.items()))
        for fault in plan.faults:
            self._console.print(f"  {fault.at_s:7.1f} s  {fault}", highlight=False)

    def say(self, at_s: float, what: str) -> None:
        """Tell what just happened."""
        self._console.print(f"{at_s:9.1f} s  {what}", highlight=False)

    def progress(self, *, at_s: float, appeared: int, shown: int, done: Mapping[Kind, int]) -> None:
        """Show how far it is."""
        happened = ", ".join(f"{kind} {count}" for kind, count in done.items() if count)
        self._bars.update(self._posts, completed=appeared, done="")
        self._bars.update(self._shown, completed=shown, done=happened)
        if not self._live and at_s >= self._said_at + PLAIN_EVERY_S:
            self._said_at = at_s
            self.say(at_s, f"posts {appeared}/{self._totals[0]}, shown {shown}/{self._totals[1]}; {happened}")

    def verdict(self, result: Result) -> None:
        """Show what the drill found."""
        counts = result.to_json()
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, value in counts.items():
            broken = name in PROMISES and value
            table.add_row(
                name.replace("_", " "), str(value), MEANINGS.get(name, ""), style="bold red" if broken else ""
            )
        self._console.print(table)


def show_kinds(console: Console) -> None:
    """List what a drill can do: each kind of fault, its meaning, its ways, and how often it happens."""
    table = Table(box=None, pad_edge=False)
    for column in ("fault", "what happens", "a minute", "ways"):
        table.add_column(column)
    for kind, rule in RULES.items():
        table.add_row(kind, rule.meaning, f"{rule.a_minute:g}", _ways(rule))
    console.print(table)


def _ways(rule: Rule) -> str:
    on = {"PostgreSQL": rule.postgres, "SQLite": rule.sqlite}
    if rule.postgres == rule.sqlite:
        return ", ".join(rule.postgres)
    return "; ".join(f"{database}: {', '.join(ways)}" for database, ways in on.items() if ways)
