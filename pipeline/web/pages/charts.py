"""Bars for the pages, as numbers for an SVG that the template writes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 300.0
HEIGHT: Final = 64.0
_GAP: Final = 0.25
"""Of a bar's place."""
_LEAST: Final = 2.0
"""So high is a bar at least that stands for anything at all."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A rectangle, in units of the picture."""

    x: float
    y: float
    width: float
    height: float
    # The class by which the stylesheet colours it.
    kind: str
    # What a pointer that rests on it is told.
    title: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Bars that share a scale."""

    bars: Sequence[Bar]
    # The highest stack's amount.
    top: int
    total: int


def chart(stacks: Sequence[Mapping[str, int]], *, titles: Sequence[str], least_places: int = 0) -> Chart:
    """One stack of bars for each mapping from kind to amount, from left to right.

    least_places: room for so many, so that three bars are not a wall.
    """
    totals = [sum(stack.values()) for stack in stacks]
    top = max(totals, default=0)
    place = WIDTH / max(len(stacks), least_places, 1)
    bars = []
    for number, (stack, title) in enumerate(zip(stacks, titles, strict=True)):
        y = HEIGHT
        for kind, amount in stack.items():
            if amount <= 0:
                continue
            height = max(_LEAST, amount / top * HEIGHT)
            y = max(0.0, y - height)
            bars.append(
                Bar(
                    x=round(number * place + place * _GAP / 2, 2),
                    y=round(y, 2),
                    width=round(place * (1 - _GAP), 2),
                    height=round(height, 2),
                    kind=kind,
                    title=title,
                )
            )
    return Chart(bars=bars, top=top, total=sum(totals))
