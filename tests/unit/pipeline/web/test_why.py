"""Why somebody did not get a post: each sentence, from the facts that lead to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.web.pages.rendering import korean
from pipeline.web.pages.why import Facts, Owed, why

T = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER, BEFORE = T + timedelta(hours=1), T - timedelta(days=9)


def facts(**changes: Any) -> Facts:
    """A post that was fanned out, and somebody who should have got it."""
    usual = {
        "at": LATER,
        "person": "minji",
        "fanout": "done",
        "seen_at": T,
        "fanned_out_at": T,
        "notification": None,
        "is_paused": False,
        "joined_at": BEFORE,
        "has_phone": True,
        "subscriptions": 2,
        "phrase": None,
        "subscribed_at": None,
        "silenced": {},
    }
    return Facts(**{**usual, **changes})


def owed(status: str, **changes: Any) -> Owed:
    return Owed(**{"status": status, "reason": "why", "next_attempt_at": T, "sent_at": T, "devices": (), **changes})


@pytest.mark.parametrize(
    ("given", "words"),
    {
        "delivered": ({"notification": owed("sent", devices=("fcm delivered", "apns failed X"))}, "got it at"),
        "delivered to one, and tried again with another": (
            {"notification": owed("pending", devices=("fcm delivered", "apns retry X"))},
            "fcm delivered.",
        ),
        "sent, its deliveries removed": ({"notification": owed("sent")}, "no answer of a phone is kept"),
        "being sent": ({"notification": owed("sending")}, "at this moment"),
        "waits for a time": (
            {"notification": owed("pending", next_attempt_at=LATER + timedelta(hours=1))},
            "waits until",
        ),
        "on its way": ({"notification": owed("pending")}, "on its way"),
        "no phone": ({"notification": owed("skipped"), "has_phone": False}, "no phone that may be pushed"),
        "left out": ({"notification": owed("skipped")}, "left out: why"),
        "failed": ({"notification": owed("failed", reason=None)}, "no phone took it: –"),
        "undecided": ({"fanout": "undecided"}, "has not ended"),
        "held": ({"fanout": "held"}, "release"),
        "dropped": ({"fanout": "dropped"}, "dropped"),
        "of the baseline": ({"fanout": "silent"}, "first crawl"),
        "paused": ({"is_paused": True, "phrase": None}, "is paused"),
        "came later": ({"joined_at": LATER}, "came later"),
        "subscribed to nothing": ({"subscriptions": 0}, "subscribed to nothing"),
        "silenced": ({"silenced": {"장학금": "마감"}}, "장학금 matches, but 마감"),
        "nothing matches": ({}, "None of the 2"),
        "its turn has not come": ({"fanout": "ready", "fanned_out_at": None, "phrase": "장학금"}, "turn"),
        "nothing matches a post under way": ({"fanout": "ready", "fanned_out_at": None}, "None of the 2"),
        "subscribed later": ({"phrase": "장학금", "subscribed_at": LATER}, "subscribed to later"),
        "matches only now": ({"phrase": "", "subscribed_at": BEFORE}, "* matches now"),
    }.values(),
)
def test_the_answer(given: dict[str, Any], words: str) -> None:
    answer = why(facts(**given))
    assert words in answer.sentence.format(**answer.values)
    assert answer.has_it is ("delivered." in words or "got it" in words or "is kept" in words)
    assert answer.sentence in korean()
