"""A curve as a picture, both scales logarithmic, so that what grows evenly is a straight line. Pure."""

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, MARGIN = 560, 320, 56
INK, GRID, CURVE = "#333333", "#dddddd", "#0b6bcb"


def log_log(points: Sequence[tuple[float, float]], *, across: str, up: str) -> str:
    """An SVG of the points, joined, over the dotted line on which twice as much costs twice as much.

    points: both numbers above 0, by the first. across, up: what the numbers are.
    """
    decades = [_decades([point[axis] for point in points]) for axis in (0, 1)]

    def place(x: float, y: float) -> str:
        (left, right), (low, high) = decades
        at_x = MARGIN + (math.log10(x) - left) / (right - left) * (WIDTH - 2 * MARGIN)
        at_y = HEIGHT - MARGIN - (math.log10(y) - low) / (high - low) * (HEIGHT - 2 * MARGIN)
        return f"{at_x:.1f},{at_y:.1f}"

    def line(begin: str, end: str, colour: str, dashes: str = "") -> str:
        (x1, y1), (x2, y2) = begin.split(","), end.split(",")
        dotted = f' stroke-dasharray="{dashes}"' if dashes else ""
        return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}"{dotted}/>'

    def label(at: str, text: str, dx: float, dy: float, anchor: str) -> str:
        x, y = map(float, at.split(","))
        return f'<text x="{x + dx:.1f}" y="{y + dy:.1f}" text-anchor="{anchor}">{escape(text)}</text>'

    (left, right), (low, high) = decades
    parts = []
    for power in range(left, right + 1):
        foot = place(10**power, 10**low)
        parts += [line(foot, place(10**power, 10**high), GRID), label(foot, f"{10**power:,}", 0, 18, "middle")]
    for power in range(low, high + 1):
        side = place(10**left, 10**power)
        parts += [line(side, place(10**right, 10**power), GRID), label(side, f"{10**power:,g}", -8, 4, "end")]
    (first_x, first_y), (last_x, _) = points[0], points[-1]
    # As far as the picture goes.
    end_x = min(last_x, first_x * 10**high / first_y)
    parts.append(line(place(first_x, first_y), place(end_x, first_y * end_x / first_x), INK, "2 4"))
    parts.append(f'<polyline points="{" ".join(place(*point) for point in points)}" fill="none" stroke="{CURVE}"/>')
    for x, y in points:
        at = place(x, y)
        at_x, at_y = at.split(",")
        beside = (8, 16, "start") if x < last_x or len(points) == 1 else (-8, -8, "end")
        parts += [f'<circle cx="{at_x}" cy="{at_y}" r="3" fill="{CURVE}"/>', label(at, f"{y:,.3g}", *beside)]
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(across)}</text>')
    parts.append(f'<text x="{MARGIN}" y="24">{escape(up)}</text>')
    style = f'font-family="sans-serif" font-size="12" fill="{INK}"'
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n' + "\n".join([ground, *parts]) + "\n</svg>\n"


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten that enclose the values: two different ones."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)
