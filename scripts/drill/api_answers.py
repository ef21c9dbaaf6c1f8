"""What answers of the API say that cannot be, next to what it said before. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.testbed.population import number_of


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A notification in an inbox."""

    id: int
    number: int | None
    sent: bool


def entries(answer: Mapping[str, Any]) -> list[Entry]:
    """What a page of an inbox has."""
    return [
        Entry(id=item["id"], number=number_of(item["post"]["title"]), sent=item["status"] == "sent")
        for item in answer["items"]
    ]


def wrong_in_inbox(page: Sequence[Entry], before: Sequence[Entry], wanted: Collection[int]) -> list[str]:
    """What a whole inbox cannot be: two of one post, one that is not for this person, out of order, or a loss."""
    found = []
    numbers = [entry.number for entry in page]
    if len(set(numbers)) < len(numbers):
        found.append("a post stands in the inbox twice")
    if set(numbers) - set(wanted):
        found.append("a post stands in the inbox that is not for this person")
    if [entry.id for entry in page] != sorted((entry.id for entry in page), reverse=True):
        found.append("the inbox is out of order")
    now = {entry.id: entry for entry in page}
    if any(old.id not in now for old in before):
        found.append("what stood in the inbox is gone")
    if any(old.sent and old.id in now and not now[old.id].sent for old in before):
        found.append("what was sent is said to be not sent any more")
    return found


def wrong_in_badge(badge: int, before: Sequence[Entry], after: Sequence[Entry]) -> list[str]:
    """What a badge cannot be, between two looks at an inbox of which nothing was read."""
    least, most = (sum(entry.sent for entry in page) for page in (before, after))
    return [] if least <= badge <= most else [f"the badge is {badge}, and the inbox has {least} to {most}"]


def wrong_in_subscriptions(
    listed: Sequence[Mapping[str, Any]], *, phrase: str, exclude: Collection[str], there: bool
) -> list[str]:
    """What a person's subscriptions cannot be, when they have subscribed to one phrase, or have ended that."""
    own = [each for each in listed if each["phrase"] == phrase]
    if len(own) != there:
        return [f"{len(own)} subscriptions where {int(there)} should be"]
    if there and set(own[0]["exclude"]) != set(exclude):
        return ["a subscription without some of its excluded phrases"]
    return []
