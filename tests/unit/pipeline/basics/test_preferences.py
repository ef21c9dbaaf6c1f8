from datetime import time
from typing import Any

import pytest

from pipeline.basics.preferences import Preferences, QuietHours

FULL = Preferences(
    quiet=(
        QuietHours(start=time(22), end=time(8), days=frozenset(range(5))),
        QuietHours(start=time(23, 30), end=time(10)),
    ),
    digests=(time(8), time(18, 30)),
    daily_cap=5,
    urgent_passes=True,
)


@pytest.mark.parametrize("preferences", [FULL, Preferences()], ids=["full", "nothing"])
def test_what_is_kept_reads_as_it_was(preferences: Preferences) -> None:
    assert Preferences.from_json(preferences.to_json(), defaults=FULL) == preferences


def test_what_a_person_does_not_say_is_as_the_installation_has_it() -> None:
    mine = Preferences.from_json({"quiet": [], "daily_cap": None}, defaults=FULL)
    assert mine == Preferences(digests=FULL.digests, urgent_passes=True)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"loud": True}, "no preference 'loud'"),
        ({"digests": ["24:00"]}, "'24:00' is no time of day"),
        ({"digests": ["8:5"]}, "'8:5' is no time of day"),
        ({"digests": [800]}, "800 is no time of day"),
        ({"digests": "08:00"}, "a list is expected"),
        ({"quiet": [{"start": "08:00"}]}, "a start, an end"),
        ({"quiet": [{"start": "08:00", "end": "09:00", "days": []}]}, "days are some of"),
        ({"quiet": [{"start": "08:00", "end": "09:00", "days": ["Monday"]}]}, "days are some of"),
        ({"daily_cap": 0}, "0 is not 1 or more"),
        ({"daily_cap": True}, "no whole number"),
        ({"urgent_passes": 1}, "neither true nor false"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_name(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Preferences.from_json(values)
