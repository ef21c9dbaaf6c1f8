"""What the phones and the database of an installation show, for the verdict."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from scripts.testbed import database as questions
from scripts.testbed.population import Notice, number_of
from scripts.testbed.servers import Servers
from scripts.testbed.verdict import Facts, Pair, Shown
from storage.session import Database


def gather(
    on: Servers,
    database: Database,
    *,
    expected: Collection[Pair],
    appeared: Sequence[Notice],
    **more: Any,
) -> Facts:
    """Look at the phones and at the database. `more`: fields of Facts that somebody else counted."""
    numbers = questions.stored_posts(database)
    shown = [
        Shown(posts=_posts(title, ids, numbers), token=token, sends=sends)
        for _, token, title, sends, ids in on.gateway.shown()
    ]
    stats = on.gateway.stats()
    return Facts(
        expected=frozenset(expected),
        shown=shown,
        dead_refused=stats["fcm"].get("UNREGISTERED", 0) + stats["apns"].get("Unregistered", 0),
        dead_known=questions.dead_devices(database),
        recorded=questions.recorded_attempts(database, {each.token for each in shown if each.sends > 1}),
        appeared=frozenset(notice.number for notice in appeared),
        stored=frozenset(numbers.values()),
        runs=questions.runs(database),
        **more,
    )


def _posts(title: str, ids: str, numbers: Mapping[int, int]) -> tuple[int, ...]:
    """The numbers of the posts that a notification is of: a digest names them by the ids that the app gets."""
    if ids:
        return tuple(numbers[int(each)] for each in ids.split(",") if int(each) in numbers)
    number = number_of(title)
    return (number,) if number else ()
