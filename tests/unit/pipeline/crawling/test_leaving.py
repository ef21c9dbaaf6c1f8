"""Which posts a page would show if they were still there; in doubt none."""

from datetime import datetime, timedelta

import pytest

from pipeline.crawling.leaving import Standing, posts_missed

START = datetime.fromisoformat("2026-11-01T00:00+00:00")


def post(number: int, seen: int = 0, published: int | None = None, missing: int = 0) -> Standing:
    """A post that was first seen, and published, on some days."""
    return Standing(
        id=number,
        first_seen_at=START + timedelta(days=seen),
        published_at=None if published is None else START + timedelta(days=published),
        missing=missing,
    )


PLACES = {1: 0, 2: 1, 3: 2, 4: 3}


@pytest.mark.parametrize(
    ("shown", "absent", "places", "missed"),
    [
        # It stood above what still stands, in the middle or at the top.
        ([post(1), post(3), post(4)], [post(2)], PLACES, [2]),
        ([post(2), post(3)], [post(1)], PLACES, [1]),
        # Newer ones pushed it off the end, or the page got shorter.
        ([post(5, seen=1), post(1), post(2), post(3)], [post(4)], PLACES, []),
        ([post(1), post(2)], [post(3), post(4)], PLACES, []),
        # It came later than the last one, whether or not the page was noted since.
        ([post(5, seen=3), post(4)], [post(6, seen=2)], {}, [6]),
        ([post(5, seen=3, published=3), post(4, published=0)], [post(6, seen=2, published=2)], {}, [6]),
        # It says of itself that it is older, so it may stand below.
        ([post(5, seen=3, published=3), post(4, published=1)], [post(6, seen=2, published=0)], {}, []),
        ([post(5, seen=3, published=3), post(4, published=1)], [post(6, seen=2, published=1)], {}, []),
        # It was pinned, and is not any more: it stands where its age puts it.
        ([post(2, seen=5), post(3, seen=4)], [post(1, seen=0)], PLACES, []),
        ([post(2, published=5), post(3, published=4)], [post(1, published=0)], PLACES, []),
        # Pinned ones at the top are no reason for doubt; another order is.
        ([post(9), post(5, seen=3), post(4, seen=1)], [post(6, seen=2)], {}, [6]),
        ([post(5, seen=3), post(9), post(4, seen=1)], [post(6, seen=2)], {}, []),
        # It was known to have stood above, before the page was noted anew.
        ([post(5, seen=1), post(4)], [post(2, missing=1)], {5: 0, 4: 1}, [2]),
        ([post(5, seen=1), post(4)], [post(2)], {5: 0, 4: 1}, []),
        ([], [post(2)], PLACES, []),
    ],
)
def test_what_a_page_misses(shown, absent, places, missed):
    assert posts_missed(shown, absent, places) == missed
