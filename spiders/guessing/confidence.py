"""How good guessed rows are, compared with others and by themselves. Pure: facts in, score and doubts out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FEWEST: Final = 4
FEWEST_DATED: Final = 3
"""Fewer rows than that are a coincidence; three that are dated are not."""
_FULL_PAGE: Final = 20
"""More rows than a page of a board has say nothing more."""
SURE: Final = 5
"""Points of evidence from which on rows are proposed."""


@dataclass(frozen=True, kw_only=True)
class RowFacts:
    """What was counted in guessed rows; shares are from 0 to 1."""

    rows: int
    # Rows with a title, titles that differ, rows with a date, titles that are a heading or named as titles.
    covered: float
    distinct: float
    dated: float
    titled: float
    # Titles found in a row with a title.
    per_row: float
    # Average of the titles, in columns.
    width: float
    # Addresses of the commonest shape, and addresses that a number or a text of some words tells apart.
    family: float
    numbered: float
    # Whether the rows stand in a menu, a footer, a side column.
    furniture: bool
    # What the place and the kind of the rows say for them, about 1.
    standing: float

    @property
    def score(self) -> float:
        """How likely they are the board's rows, beside other rows of the same page."""
        number = float(min(self.rows, _FULL_PAGE) ** 0.4)
        titles = min(self.width, 60) * min(1.0, 1.3 * self.distinct) * (0.7 + 0.3 * self.family)
        score = number * titles * self.covered**2 * (1 + 1.5 * self.dated) / self.per_row**2 * self.standing
        return score if self.width >= 6 or self.dated > 0.5 else score / 4

    @property
    def enough(self) -> bool:
        """Whether they are more than a coincidence."""
        return self.rows * self.covered >= (FEWEST_DATED if self.dated > 0.5 else FEWEST)


_EVIDENCE: Final[tuple[tuple[int, str, Callable[[RowFacts], bool]], ...]] = (
    (5, "the rows have dates", lambda facts: facts.dated >= 0.6),
    (
        2,
        "numbers or texts in the addresses tell the posts apart",
        lambda facts: min(facts.family, facts.numbered) > 0.8,
    ),
    (1, "the addresses are of one kind", lambda facts: facts.family > 0.8),
    (1, "the titles are named as titles", lambda facts: facts.titled > 0.8),
    (1, "the titles are as long as titles", lambda facts: facts.width >= 24),
    (1, "the titles are sentences", lambda facts: facts.width >= 36),
    (1, "there are many", lambda facts: facts.rows >= 10),
)
_DOUBTS: Final[tuple[tuple[int, str, Callable[[RowFacts], bool]], ...]] = (
    (-2, "the titles are as short as a menu's", lambda facts: facts.width < 18 and facts.dated < 0.6),
    (-3, "they stand in what looks like a menu, a footer or a side column", lambda facts: facts.furniture),
    (-2, "many titles are the same", lambda facts: facts.distinct < 0.7),
    (-3, "most titles are the same", lambda facts: facts.distinct < 0.3),
    (-1, "many of the rows have no title", lambda facts: facts.covered < 0.7),
    (-1, "there are only a few", lambda facts: facts.rows < 6),
)


def doubts(facts: RowFacts) -> tuple[str, ...]:
    """Why the rows should not be proposed, in words; empty where the evidence is enough."""
    points = sum(points for points, _, holds in (*_EVIDENCE, *_DOUBTS) if holds(facts))
    if points >= SURE:
        return ()
    against = [words for _, words, holds in _DOUBTS if holds(facts)]
    if facts.dated < 0.6:
        against.insert(0, "most rows have no date")
    return tuple(against) or ("little speaks for it",)
