"""When phones are told of an edited post's text again: at most so often in any day, and soon where that allows it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.fanout.edits import REPLACED_MOST, next_replacement

BEGIN = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@given(st.lists(st.integers(0, 90_000), max_size=40))
def test_no_day_has_more_than_so_many_and_none_waits_without_need(spans: list[int]) -> None:
    at, planned = BEGIN, list[datetime]()
    for span in spans:
        at += timedelta(seconds=span)
        if planned and planned[-1] > at:
            # One that is planned shows the latest text when its time comes.
            continue
        when = next_replacement([int(each.timestamp()) for each in planned], at)
        within = [each for each in planned if each > at - DAY]
        assert (when == at) is (len(within) < REPLACED_MOST)
        planned.append(when)
    for each in planned:
        assert len([other for other in planned if each <= other < each + DAY]) <= REPLACED_MOST
