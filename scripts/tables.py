"""Rows as lines of text, as wide as a screen. Pure: nothing is asked of a terminal here."""

from collections.abc import Collection, Sequence

from rich.cells import cell_len, set_cell_size

GAP = 2
"""Columns of the screen between two of a table."""
LEAST = 10
"""To fewer columns of the screen than these, or than its heading has, is no text cut."""


def table_lines(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None, whole: Collection[str] = ()
) -> list[str]:
    """A line with the headings, and one for each row; None as the width: as wide as it gets.

    whole: the headings of columns in which nothing is cut.
    Where there is too little room, the widest texts are cut first, with an ellipsis; where that is not enough, the last
    columns are left out. A Hangul syllable takes two columns of the screen.
    """
    lines = [tuple(headings), *map(tuple, rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    if width is not None:
        least = [
            most if heading in whole else min(most, max(LEAST, cell_len(heading)))
            for most, heading in zip(widths, headings, strict=True)
        ]
        widths = fitted(widths, least, width)
    return [
        (" " * GAP)
        .join(set_cell_size(shortened(cell, size), size) for cell, size in zip(line, widths, strict=False))
        .rstrip()
        for line in lines
    ]


def fitted(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """The widths of as many columns, from the first, as have room; the widest shrink first, and none below its least.

    The first column is always there, however little room there is.
    """
    count = len(widths)
    while count > 1 and sum(least[:count]) + GAP * (count - 1) > room:
        count -= 1
    found = list(widths[:count])
    while sum(found) + GAP * (count - 1) > room:
        shrinkable = [index for index in range(count) if found[index] > least[index]]
        if not shrinkable:
            break
        found[max(shrinkable, key=found.__getitem__)] -= 1
    return found


def shortened(text: str, width: int) -> str:
    """The text in so many columns of the screen, with an ellipsis where it was cut."""
    return text if cell_len(text) <= width else f"{set_cell_size(text, width - 1).rstrip()}…"
