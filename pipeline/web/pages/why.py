"""Why did this person not get that post? From facts to a sentence. Pure.

Each answer is one of the table's sentences with what it is filled with, so that it can be said in each language.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Owed:
    """The notification of this post to this person."""

    status: str
    reason: str | None
    next_attempt_at: datetime
    sent_at: datetime | None
    # The outcome on each device, such as "fcm delivered".
    devices: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the database says of a person and a post."""

    at: datetime
    person: str
    # The post's state of fan-out, and when that ended.
    fanout: str
    seen_at: datetime
    fanned_out_at: datetime | None
    notification: Owed | None
    is_paused: bool
    joined_at: datetime
    has_phone: bool
    # How many subscriptions there are; the phrase by which the post is theirs now ("" for every post of its site), and
    # since when they are subscribed to that; None when nothing of theirs matches.
    subscriptions: int
    phrase: str | None
    subscribed_at: datetime | None
    # The phrases of theirs that would match, each with an excluded phrase that is in the post as well.
    silenced: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A sentence of the table, what it is filled with, and whether the person has the post."""

    sentence: str
    values: Mapping[str, object]
    has_it: bool = False


_NOT_DECIDED = {
    "undecided": "Not yet: the crawl that found the post has not ended.",
    "held": "The post is held: far more new posts came than usual, and somebody has to release them.",
    "dropped": "Nobody got it: it was held with a flood of posts, and an operator dropped them.",
    "silent": "Nobody got it: the post stood there at the site's first crawl, or was published too long ago.",
}


def why(facts: Facts) -> Answer:
    """The answer: the first that fits."""
    answers = _of_notification(facts, facts.notification) if facts.notification else _without_notification(facts)
    return next(answers)


def _of_notification(facts: Facts, owed: Owed) -> Iterator[Answer]:
    """There is a notification, so the post matched: what became of it."""
    reason = owed.reason or "–"
    took = [device for device in owed.devices if device.endswith("delivered")]
    if took:
        values = {"person": facts.person, "devices": ", ".join(took), "at": owed.sent_at}
        yield Answer(sentence="{person} got it at {at}: {devices}.", values=values, has_it=True)
    if owed.status == "sent" and not owed.devices:
        yield Answer(
            sentence="It was sent at {at}, and no answer of a phone is kept.", values={"at": owed.sent_at}, has_it=True
        )
    if owed.status == "sending":
        yield Answer(sentence="It is being sent at this moment.", values={})
    if owed.status == "pending":
        if owed.next_attempt_at > facts.at:
            values = {"reason": reason, "at": owed.next_attempt_at}
            yield Answer(sentence="It waits until {at}: {reason}.", values=values)
        yield Answer(sentence="It matched and is on its way: {reason}.", values={"reason": reason})
    if not facts.has_phone:
        yield Answer(
            sentence="{person} has no phone that may be pushed to: {reason}.",
            values={"person": facts.person, "reason": reason},
        )
    if owed.status == "skipped":
        yield Answer(sentence="It matched, and was left out: {reason}.", values={"reason": reason})
    yield Answer(sentence="It matched, and no phone took it: {reason}.", values={"reason": reason})


def _without_notification(facts: Facts) -> Iterator[Answer]:
    """There is none: why the fan-out did not make one."""
    if facts.fanout in _NOT_DECIDED:
        yield Answer(sentence=_NOT_DECIDED[facts.fanout], values={})
    if facts.is_paused:
        yield Answer(sentence="{person} is paused, and matches no post.", values={"person": facts.person})
    ended = facts.fanned_out_at or facts.seen_at
    if facts.joined_at > ended:
        values: dict[str, object] = {"person": facts.person, "at": facts.joined_at}
        yield Answer(sentence="{person} came later, at {at}.", values=values)
    if facts.phrase is None:
        yield from _nothing_matches(facts)
    if facts.fanout == "ready":
        yield Answer(
            sentence="The post matches, and is being given to people now: this person's turn has not come.", values={}
        )
    if facts.subscribed_at is not None and facts.subscribed_at > ended:
        values = {"phrase": facts.phrase or "*", "at": facts.subscribed_at}
        yield Answer(sentence="{phrase} matches, but was subscribed to later, at {at}.", values=values)
    values = {"phrase": facts.phrase or "*"}
    yield Answer(
        sentence="{phrase} matches now, but did not when the post came: one of them was changed.", values=values
    )


def _nothing_matches(facts: Facts) -> Iterator[Answer]:
    if not facts.subscriptions:
        yield Answer(sentence="{person} is subscribed to nothing.", values={"person": facts.person})
    for phrase, excluded in facts.silenced.items():
        values = {"phrase": phrase or "*", "excluded": excluded}
        yield Answer(
            sentence="{phrase} matches, but {excluded} is in the post too, and is excluded there.", values=values
        )
    yield Answer(
        sentence="None of the {n} subscriptions of {person} matches the post.",
        values={"n": facts.subscriptions, "person": facts.person},
    )
