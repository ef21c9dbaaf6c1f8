"""The users of a drill, what they subscribe to, and what their phones should show in the end. Pure.

The rule of who wants a post is written here a second time, as simply as possible: the product's matcher must not be its
own judge.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from random import Random

from scripts.testbed.timings import Timing, draw

SITES = ("board", "feed")
"""Two boards; one is read as a listing, the other as a feed."""
TOPICS = (
    ("장학금", "scholarship"),
    ("기숙사", "dormitory"),
    ("수강신청", "registration"),
    ("채용", "internship"),
    ("교환학생", "exchange"),
    ("특강", "lecture"),
    ("도서관", "library"),
    ("졸업", "graduation"),
)
"""What posts are about, in both languages; no phrase stands in another topic's title."""

NO_DEVICE, SECOND_DEVICE, THIRD_DEVICE = 0.06, 0.2, 0.05
"""Shares of the users with no device, with two, and with three."""
APNS = 0.2
DEAD = 0.03
MOVED = 0.03
PAUSED = 0.05


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A post that is to appear."""

    number: int
    site: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A subscription: to a phrase, on one site or on all, or to every post of a site."""

    phrase: str | None
    site: str | None


@dataclass(frozen=True, kw_only=True)
class Phone:
    """A device of a user."""

    platform: str
    token: str = field(repr=False)
    # The app is gone: the vendor answers so.
    dead: bool = False
    # The user who had this phone before.
    former_owner: str | None = None


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user with what is theirs."""

    name: str
    paused: bool
    wishes: tuple[Wish, ...]
    phones: tuple[Phone, ...]
    # None: they want to hear at once.
    timing: Timing | None = None


def population(seed: int, users: int) -> list[Person]:
    """The same people for the same seed."""
    dice = Random(f"{seed}:people")  # noqa: S311 - no secret
    names = [f"user-{number}" for number in range(users)]
    return [
        Person(
            name=name,
            paused=dice.random() < PAUSED,
            wishes=_wishes(dice),
            phones=tuple(_phone(dice, seed, name, count, names) for count in range(_phone_count(dice.random()))),
            timing=timing,
        )
        for name, timing in zip(names, draw(seed, users), strict=True)
    ]


def _phone_count(share: float) -> int:
    for count, limit in ((0, NO_DEVICE), (2, SECOND_DEVICE), (3, THIRD_DEVICE)):
        if share < limit:
            return count
        share -= limit
    return 1


def _phone(dice: Random, seed: int, name: str, count: int, names: Sequence[str]) -> Phone:
    apns = dice.random() < APNS
    secret = sha256(f"{seed}:{name}:{count}".encode()).hexdigest()
    former = dice.choice(names) if dice.random() < MOVED else name
    return Phone(
        platform="apns" if apns else "fcm",
        # As long as the vendors' own are.
        token=secret if apns else f"{secret[:22]}:APA91b{secret}{secret}",
        dead=dice.random() < DEAD,
        former_owner=None if former == name else former,
    )


def _wishes(dice: Random) -> tuple[Wish, ...]:
    kinds = dice.choices(("korean", "english", "all", "nothing"), weights=(40, 35, 20, 5), k=dice.choice((1, 1, 2)))
    return tuple(dict.fromkeys(_wish(dice, kind) for kind in kinds if kind != "nothing"))


def _wish(dice: Random, kind: str) -> Wish:
    if kind == "all":
        return Wish(phrase=None, site=dice.choice(SITES))
    korean, english = dice.choice(TOPICS)
    return Wish(phrase=korean if kind == "korean" else english, site=dice.choice((None, None, None, *SITES)))


def notices(seed: int, count: int) -> list[Notice]:
    """The posts that appear in a drill, in order: a third in both languages, the others in one."""
    dice = Random(f"{seed}:notices")  # noqa: S311 - no secret
    return [Notice(number=number, site=site_of(number), title=_title(dice, number)) for number in range(1, count + 1)]


def site_of(number: int) -> str:
    """On which site a notice appears."""
    return SITES[number % len(SITES)]


def _title(dice: Random, number: int) -> str:
    korean, english = dice.choice(TOPICS)
    both = f"2026학년도 {korean} 안내 / About the {english}"
    return f"{dice.choice((both, f'2026학년도 {korean} 안내', f'News about the {english}'))} #{number}"


def edited(notice: Notice) -> Notice:
    """The notice after one more edit, which concerns nobody new."""
    start = notice.title.removesuffix(f" #{notice.number}").removesuffix(f" (수정 {revision_of(notice.title)})")
    return replace(notice, title=f"{start} (수정 {revision_of(notice.title) + 1}) #{notice.number}")


def revision_of(title: str) -> int:
    """How often a notice with this title was edited."""
    found = re.search(r"\(수정 (\d+)\) #\d+$", title)
    return int(found[1]) if found else 0


def number_of(title: str) -> int | None:
    """Which notice a title is of; None when it is of none."""
    found = re.search(r"#(\d+)$", title)
    return int(found[1]) if found else None


def wants(person: Person, notice: Notice) -> bool:
    """Whether a post is for a person."""
    return not person.paused and any(_meant(wish, notice) for wish in person.wishes)


def _meant(wish: Wish, notice: Notice) -> bool:
    if wish.site is not None and wish.site != notice.site:
        return False
    if wish.phrase is None:
        return True
    # A Korean phrase may stand inside a word, an English one is a word.
    return wish.phrase in (re.findall("[a-z]+", notice.title.lower()) if wish.phrase.isascii() else notice.title)


def expected(people: Iterable[Person], appeared: Iterable[Notice]) -> set[tuple[int, str]]:
    """(number of the post, token) for everything that the living phones should show in the end."""
    appeared = list(appeared)
    return {
        (notice.number, phone.token)
        for person in people
        for phone in person.phones
        if not phone.dead
        for notice in appeared
        if wants(person, notice)
    }
