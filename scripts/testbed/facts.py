"""What the phones and the database of an installation show, for the verdict."""

from collections.abc import Collection, Sequence
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
    shown = [Shown(post=number_of(title), token=token, sends=sends) for _, token, title, sends in on.gateway.shown()]
    stats = on.gateway.stats()
    return Facts(
        expected=frozenset(expected),
        shown=shown,
        dead_refused=stats["fcm"].get("UNREGISTERED", 0) + stats["apns"].get("Unregistered", 0),
        dead_known=questions.dead_devices(database),
        recorded=questions.recorded_attempts(database, {each.token for each in shown if each.sends > 1}),
        appeared=frozenset(notice.number for notice in appeared),
        stored=questions.stored_posts(database),
        runs=questions.runs(database),
        **more,
    )
