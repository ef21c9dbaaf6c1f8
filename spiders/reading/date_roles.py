"""What the dates of a cell are about: the posting, its last change, or an event; and what stands around them. Pure."""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final

from spiders.reading.date_pieces import Piece
from spiders.reading.date_words import COUNTERS, HALVES, LABELS, NAMES_FOLLOW, WEEKDAYS, fold


class Role(Enum):
    """What a date says the time of."""

    POSTED = "posted"
    NONE = "none"
    UPDATED = "updated"
    EVENT = "event"


DAYS: Final = frozenset({"date", "numbers", "day", "month"})
"""The kinds of pieces that are written as dates."""
DATED: Final = DAYS | {"age", "now"}
"""These, and what is said from now."""
_FROM_TO: Final = frozenset(
    map(fold, ("to", "bis", "до", "hasta", "até", "al", "au", "sampai", "至", "到", "から", "부터", "through", "until"))
)


def roles_of(pieces: Sequence[Piece]) -> list[Role]:
    """The role of each piece, by the label before it, a label right after it, and the marks of periods."""
    roles: list[Role] = []
    role, outside = Role.NONE, [Role.NONE]
    for position, piece in enumerate(pieces):
        if piece.kind == "bar":
            role = Role.NONE
        elif piece.kind == "open":
            outside.append(role)
        elif piece.kind == "close":
            role = outside.pop() if len(outside) > 1 else Role.NONE
        elif label := _label(piece):
            role = label
        roles.append(role)
        if piece.kind in DATED and not (position + 1 < len(pieces) and pieces[position + 1].kind == "clock"):
            roles[-1] = _label_after(pieces, position) or role
            role = Role.NONE
        elif piece.kind == "clock" and position and pieces[position - 1].kind in DATED:
            roles[position - 1] = roles[-1] = _label_after(pieces, position) or role
            role = Role.NONE
    for position in _periods(pieces):
        roles[position] = Role.EVENT
    return roles


def _label(piece: Piece) -> Role | None:
    return Role(LABELS[piece.value]) if piece.kind == "word" and piece.value in LABELS else None


def _label_after(pieces: Sequence[Piece], position: int) -> Role | None:
    """A label behind a date that says it is not the posting's, unless another date follows, which it introduces."""
    following = position + 1
    while following < len(pieces) and (pieces[following].kind == "close" or _is_passed_over(pieces[following])):
        following += 1
    if following >= len(pieces) or (role := _label(pieces[following])) in {None, Role.POSTED}:
        return None
    introduces = following + 1 < len(pieces) and pieces[following + 1].kind in {*DATED, "clock", "number"}
    return None if introduces else role


def _is_passed_over(piece: Piece) -> bool:
    return piece.kind == "word" and (piece.value in WEEKDAYS or piece.value in HALVES)


def _periods(pieces: Sequence[Piece]) -> Iterator[int]:
    """The positions of the dates that begin or end a period."""
    for position, piece in enumerate(pieces):
        certain = piece.kind == "range"
        if not certain and not (piece.kind == "dash" or (piece.kind == "word" and piece.value in _FROM_TO)):
            continue
        left, right = _beside(pieces, position, -1), _beside(pieces, position, 1)
        before, after = _kind(pieces, left), _kind(pieces, right)
        start = _beside(pieces, left, -1) if before == "clock" else left
        if certain or (after in DAYS and _kind(pieces, start) in DAYS) or before == after == "clock":
            yield from (each for each in (start, right) if _kind(pieces, each) in {*DAYS, "clock"})
            if before == "clock":
                yield left


def _kind(pieces: Sequence[Piece], position: int) -> str:
    return pieces[position].kind if 0 <= position < len(pieces) else ""


def _beside(pieces: Sequence[Piece], position: int, step: int) -> int:
    """The next piece in a direction, apart from brackets and weekdays."""
    position += step
    while 0 <= position < len(pieces) and (
        pieces[position].kind in {"open", "close"} or _is_passed_over(pieces[position])
    ):
        position += step
    return position


def strangers(pieces: Sequence[Piece], position: int) -> tuple[int, int, int]:
    """How many words that mean nothing here stand before and after a piece in its part of the cell, and anywhere.

    What follows "by" is a name. Anywhere also counts numbers that no word explains, and months without a day.
    """
    before = after = anywhere = 0
    named = False
    cuts = [each for each, piece in enumerate(pieces) if piece.kind in {"bar", "dash"}]
    start = max((each for each in cuts if each < position), default=-1)
    end = min((each for each in cuts if each > position), default=len(pieces))
    for each, piece in enumerate(pieces):
        if piece.kind == "unknown" and not named:
            anywhere += 1
            before += start < each < position
            after += position < each < end
        elif piece.kind in {"number", "month"}:
            anywhere += not _is_explained(pieces, each)
        elif piece.kind == "word" and piece.value in NAMES_FOLLOW:
            named = True
        elif piece.kind == "bar" or piece.kind in DATED or _label(piece):
            named = False
    return before, after, anywhere


def _is_explained(pieces: Sequence[Piece], position: int) -> bool:
    before, after = (
        pieces[each].value if _kind(pieces, each) == "word" else "" for each in (position - 1, position + 1)
    )
    return pieces[position].value not in {None, -1} and (before in COUNTERS or after in COUNTERS)
