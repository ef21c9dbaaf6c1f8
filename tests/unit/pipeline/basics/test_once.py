"""What is made once: by whichever thread asks first, and not by one that comes meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from pipeline.basics.once import Once


def test_threads_that_ask_at_the_same_time_get_the_same_thing() -> None:
    made: list[object] = []
    goes_on = Event()

    @Once
    def thing() -> object:
        made.append(object())
        goes_on.wait(60)
        return made[-1]

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(thing) for _ in range(4)]
        goes_on.set()
        assert {each.result() for each in asked} == {made[0]}
    assert len(made) == 1
    thing.cache_clear()
    assert thing() == made[1] != made[0]


def test_what_could_not_be_made_is_tried_again() -> None:
    tries = iter((OSError("away"), None))

    @Once
    def thing() -> str:
        if error := next(tries):
            raise error
        return "made"

    with pytest.raises(OSError, match="away"):
        thing()
    assert thing() == "made"
