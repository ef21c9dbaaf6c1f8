"""What the phones and the database of an installation show, for the verdict."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from scripts.testbed import database as questions
from scripts.testbed.database import Attempts
from scripts.testbed.population import Notice, number_of, revision_of
from scripts.testbed.servers import Servers
from scripts.testbed.verdict import Facts, Pair, Sent, Shown
from storage.session import Database


def gather(
    on: Servers,
    database: Database,
    *,
    expected: Collection[Pair],
    appeared: Sequence[Notice],
    attempts: Attempts | None = None,
    **more: Any,
) -> Facts:
    """Look at the phones and at the database. `more`: fields of Facts that somebody else counted."""
    numbers = questions.stored_posts(database)
    sent: defaultdict[tuple[str, str], list[Sent]] = defaultdict(list)
    posts: dict[tuple[str, str], tuple[int, ...]] = {}
    for token, tag, title, rings, replaces, ids in on.gateway.messages():
        sent[token, tag].append(Sent(revision=revision_of(title), rings=rings, replaces=replaces))
        # What is shown in the end.
        posts[token, tag] = _posts(title, ids, numbers)
    shown = [Shown(posts=posts[key], token=key[0], sent=tuple(messages)) for key, messages in sent.items()]
    stats = on.gateway.stats()
    return Facts(
        expected=frozenset(expected),
        shown=shown,
        dead_refused=stats["fcm"].get("UNREGISTERED", 0) + stats["apns"].get("Unregistered", 0),
        dead_known=questions.dead_devices(database),
        repeated=questions.repeated(questions.most(attempts or {}, questions.attempts(database))),
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
