"""Which changes are worth a message. Pure: what a destination was told and how things stand go in, words come out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ENDINGS = {
    "site": "{subject} recovered",
    "flood": "the held posts of {name} were released or dropped",
    "channel": "channel {name} is open again",
    "vendor": "the vendor of channel {name} takes messages again",
    "beat": "beat runs again",
    "dispatcher": "a dispatcher does beat's ticks again",
    "backlog": "the backlog of {name} is gone",
}
"""What is said when a condition ended, by the first word of its subject."""
NOT_WATCHED = "{subject}: no longer watched"
"""The same, of a site that was switched off or removed."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Something that is wrong now."""

    # One word that changes only when a person should hear of it: not a number, not a time.
    state: str
    sentence: str
    # False: bad enough for what was told to last, and not bad enough to tell. So nothing flutters around a bound.
    begins: bool = True


@dataclass(frozen=True, kw_only=True)
class Facts:
    """How things stand. A subject is a kind and a name, such as `site board`, or a kind alone."""

    conditions: Mapping[str, Condition]
    # Kinds of which nothing could be learnt: what was told of them stands.
    unknown: frozenset[str] = frozenset()
    # Sites that are switched on: only of these it can be said that they recovered.
    sites: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, kw_only=True)
class News:
    """What to tell a destination, and what it will then have been told: subject -> state."""

    messages: tuple[str, ...]
    told: Mapping[str, str]


def news(told: Mapping[str, str], facts: Facts) -> News:
    """One message per change since a destination was last told."""
    messages, after = [], {}
    for subject, condition in sorted(facts.conditions.items()):
        before = told.get(subject)
        if before is None and not condition.begins:
            continue
        after[subject] = condition.state if condition.begins or before is None else before
        if before != after[subject]:
            messages.append(condition.sentence)
    for subject, state in sorted(told.items()):
        kind, _, name = subject.partition(" ")
        if subject in after:
            continue
        if kind in facts.unknown:
            after[subject] = state
        else:
            messages.append(_ending(kind, name, facts))
    return News(messages=tuple(messages), told=after)


def _ending(kind: str, name: str, facts: Facts) -> str:
    words = NOT_WATCHED if kind == "site" and name not in facts.sites else ENDINGS.get(kind, "{subject}: over")
    return words.format(subject=f"{kind} {name}".strip(), name=name)
