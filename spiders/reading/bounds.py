"""How much of a page is read, so that a hostile one costs no more than a large one. Pure."""

from typing import Final

ROWS: Final = 5_000
"""Of a list or a feed; the longest archives that people watch have some hundred."""
TAGS: Final = 250_000
"""Of a page: some 80 MB of tree. Long boards have some thousand."""


def bounded(text: str) -> str:
    """A page up to its last tag that is read."""
    if text.count("<") <= TAGS:
        return text
    position = -1
    for _ in range(TAGS + 1):
        position = text.index("<", position + 1)
    return text[:position]


def left_out(rows: int) -> str:
    """What to say of a page with so many rows; "" when all of them were read."""
    return f"only the first {ROWS} rows are read" if rows >= ROWS else ""
