"""Who gets the posts of a benchmark of the whole pipeline: as many phones for a post as are asked for. Pure."""

from collections.abc import Iterator
from hashlib import sha256
from random import Random

from scripts.testbed.population import SITES, TOPICS, Notice, Person, Phone, Wish

TOPIC_WEIGHTS = (5, 6, 7, 8, 8, 9, 10, 11)
"""How many readers each topic has, beside the others: so posts differ in size, and their mean does not."""


def crowd(users: int, apns_share: float) -> list[Person]:
    """People with one phone each, who want the posts about one topic, on whatever site."""
    dice = Random("crowd")  # noqa: S311 - no secret
    return [
        _person(f"user-{number}", number, apns_share, Wish(phrase=dice.choice(topic), site=None))
        for number, topic in enumerate(dice.choices(TOPICS, weights=TOPIC_WEIGHTS, k=users))
    ]


def readers(users: int, apns_share: float, site: str) -> list[Person]:
    """People with one phone each, who want every post of a site."""
    wish = Wish(phrase=None, site=site)
    return [_person(f"{site}-{number}", number, apns_share, wish) for number in range(users)]


def steady_notices() -> Iterator[Notice]:
    """Posts without end, on both boards in turn; each topic as often as the others, in an order that changes."""
    dice = Random("notices")  # noqa: S311 - no secret
    number = 0
    while True:
        for korean, english in dice.sample(TOPICS, len(TOPICS)):
            number += 1
            title = f"2026학년도 {korean} 안내 / About the {english} #{number}"
            yield Notice(number=number, site=SITES[number % len(SITES)], title=title)


def _person(name: str, number: int, apns_share: float, wish: Wish) -> Person:
    # The shares are kept exactly, and spread evenly among those who have the lowest ids and the highest.
    apns = int((number + 1) * apns_share) > int(number * apns_share)
    secret = sha256(name.encode()).hexdigest()
    # As long as the vendors' own are.
    token = secret if apns else f"{secret[:22]}:APA91b{secret}{secret}"
    return Person(
        name=name, paused=False, wishes=(wish,), phones=(Phone(platform="apns" if apns else "fcm", token=token),)
    )
