import threading

import pytest

from pipeline.worker.batching import Gatherer
from tests.support.waiting import wait_until

WAIT_S = 60


class Recorder:
    """Records the batches that it is given; can be held in the middle of one."""

    def __init__(self):
        self.batches = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.changed = threading.Condition()

    def __call__(self, items):
        self.entered.set()
        assert self.go_on.wait(WAIT_S)
        with self.changed:
            self.batches.append(list(items))
            self.changed.notify_all()
        if "bad" in items:
            raise ValueError("a bad batch")
        if "exit" in items:
            raise SystemExit(1)

    def wait_for(self, count):
        """Wait until so many items are done, and return how many batches they were."""
        with self.changed:
            assert self.changed.wait_for(lambda: sum(map(len, self.batches)) >= count, WAIT_S)
            return len(self.batches)


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def make(recorder):
    gatherers = []

    def make(**options):
        gatherers.append(Gatherer(recorder, **{"threads": 1, "linger_s": 0.01, "max_batch": 400, **options}))
        return gatherers[-1]

    yield make
    recorder.go_on.set()
    for gatherer in gatherers:
        assert gatherer.close(WAIT_S)


def hold(gatherer, recorder):
    """Hold a thread in a batch, so that what comes now waits together."""
    recorder.entered.clear()
    recorder.go_on.clear()
    gatherer.put(["first"])
    assert recorder.entered.wait(WAIT_S)


def test_nothing_starts_before_the_first_item(make):
    before = threading.active_count()
    make()
    assert threading.active_count() <= before


def test_what_waits_goes_together(make, recorder):
    gatherer = make()
    hold(gatherer, recorder)
    for number in range(100):
        gatherer.put([number])
    recorder.go_on.set()
    recorder.wait_for(101)
    assert recorder.batches == [["first"], list(range(100))]


@pytest.mark.parametrize("step", [1, 25, 100])
def test_a_batch_has_a_largest_size(make, recorder, step):
    gatherer = make(max_batch=40)
    hold(gatherer, recorder)
    for first in range(0, 100, step):
        gatherer.put(list(range(first, first + step)))
    recorder.go_on.set()
    recorder.wait_for(101)
    assert recorder.batches == [["first"], list(range(40)), list(range(40, 80)), list(range(80, 100))]


@pytest.mark.parametrize("item", ["bad", "exit"])
def test_a_batch_that_raises_is_logged_and_ends_no_thread(make, recorder, item, caplog):
    gatherer = make()
    gatherer.put([item])
    recorder.wait_for(1)
    gatherer.put(["later"])
    recorder.wait_for(2)
    assert "batch failed" in caplog.text


def test_closing_finishes_the_batch_under_way_and_drops_what_waits(make, recorder):
    gatherer = make()
    hold(gatherer, recorder)
    gatherer.put(["second"])
    closing = threading.Thread(target=gatherer.close)
    closing.start()
    # The thread that closes waits for the batch from here on.
    wait_until(lambda: gatherer._closed, "it is being closed")
    recorder.go_on.set()
    closing.join(WAIT_S)
    gatherer.put(["third"])
    assert not closing.is_alive()
    assert recorder.batches == [["first"]]


def test_closing_gives_up_on_a_batch_that_hangs(make, recorder):
    gatherer = make()
    hold(gatherer, recorder)
    assert not gatherer.close(0.05)


def test_two_batches_are_under_way_at_once(make, recorder):
    gatherer = make(threads=2)
    hold(gatherer, recorder)
    recorder.entered.clear()
    gatherer.put(["second"])
    assert recorder.entered.wait(WAIT_S)
    recorder.go_on.set()
    recorder.wait_for(2)
    assert sorted(recorder.batches) == [["first"], ["second"]]


def test_of_what_many_threads_hand_in_nothing_is_lost_or_done_twice(make, recorder):
    gatherer = make(threads=2)
    threads = [threading.Thread(target=gatherer.put, args=([number],)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    recorder.wait_for(100)
    assert sorted(item for batch in recorder.batches for item in batch) == list(range(100))
