import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from scripts.bench.report import HEIGHT, WIDTH, log_log

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    "points",
    [
        [(1_000, 0.05), (10_000, 0.4), (100_000, 3.7), (1_000_000, 41.0)],
        # One size, powers of ten, and a curve that leaves the even line far below or above itself.
        [(100, 1.0)],
        [(1, 1), (10, 10)],
        [(1, 1000), (10_000, 1)],
        [(1, 0.001), (10_000, 0.0011)],
    ],
)
def test_each_point_stands_on_the_picture_in_its_order_with_its_value(points: list[tuple[float, float]]) -> None:
    picture = ElementTree.fromstring(log_log(points, across="users & co", up="seconds"))

    places = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in picture.iter(f"{SVG}circle")]
    assert len(places) == len(points)
    assert sorted(places) == places
    for tag in ("circle", "line"):
        for each in picture.iter(f"{SVG}{tag}"):
            for name, value in each.attrib.items():
                if re.fullmatch("c?[xy][12]?", name):
                    assert 0 <= float(value) <= (WIDTH if "x" in name else HEIGHT)
    rising = [b[1] > a[1] for a, b in pairwise(points)]
    assert rising == [b[1] < a[1] for a, b in pairwise(places)]
    said = [text.text for text in picture.iter(f"{SVG}text")]
    assert "users & co" in said
    assert all(f"{value:,.3g}" in said for _, value in points)
