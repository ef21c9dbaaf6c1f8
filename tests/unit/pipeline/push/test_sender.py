import threading
from concurrent.futures import CancelledError

import pytest

from pipeline.push.sender import Sender, SenderClosedError


class Recorder:
    """Records the batches that it is given; can be held in the middle of one."""

    def __init__(self):
        self.batches = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, keys):
        self.batches.append(list(keys))
        self.entered.set()
        assert self.go_on.wait(10)
        if "bad" in keys:
            raise ValueError("a bad batch")
        return {key: f"did {key}" for key in keys if key != "forgotten"}


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def make(recorder):
    senders = []

    def make(**options):
        sender = Sender(recorder, **{"workers": 1, "linger_s": 0.01, **options})
        senders.append(sender)
        return sender

    yield make
    recorder.go_on.set()
    for sender in senders:
        assert sender.close(10)


def held(sender, recorder):
    """Hold the only worker in a batch, so that what is submitted now waits together."""
    recorder.go_on.clear()
    future = sender.submit("first")
    assert recorder.entered.wait(10)
    return future


def test_nothing_starts_before_the_first_key(make):
    before = threading.active_count()
    make()

    assert threading.active_count() == before


def test_a_key_gets_its_result(make):
    assert make().submit("a").result(10) == "did a"


def test_what_waits_goes_together(make, recorder):
    sender = make()
    held(sender, recorder)

    futures = [sender.submit(number) for number in range(100)]
    recorder.go_on.set()

    assert [future.result(10) for future in futures] == [f"did {number}" for number in range(100)]
    assert recorder.batches == [["first"], list(range(100))]


def test_a_batch_has_a_largest_size(make, recorder):
    sender = make(max_batch=40)
    held(sender, recorder)

    futures = [sender.submit(number) for number in range(100)]
    recorder.go_on.set()
    for future in futures:
        future.result(10)

    assert [len(batch) for batch in recorder.batches] == [1, 40, 40, 20]


def test_the_same_key_in_a_batch_is_processed_once_for_all(make, recorder):
    sender = make()
    held(sender, recorder)

    futures = [sender.submit("twin") for _ in range(3)]
    recorder.go_on.set()

    assert [future.result(10) for future in futures] == ["did twin"] * 3
    assert recorder.batches[1:] == [["twin"]]


def test_a_batch_that_raises_fails_alone(make, recorder):
    sender = make()
    held(sender, recorder)
    bad = [sender.submit("bad"), sender.submit("neighbour")]
    recorder.go_on.set()

    for future in bad:
        with pytest.raises(ValueError, match="a bad batch"):
            future.result(10)
    assert sender.submit("later").result(10) == "did later"


def test_a_key_without_a_result_fails_alone(make, recorder):
    sender = make()
    held(sender, recorder)
    forgotten, fine = sender.submit("forgotten"), sender.submit("fine")
    recorder.go_on.set()

    with pytest.raises(KeyError, match="forgotten"):
        forgotten.result(10)
    assert fine.result(10) == "did fine"


def test_a_cancelled_key_is_not_processed(make, recorder):
    sender = make()
    held(sender, recorder)
    future = sender.submit("unwanted")
    assert future.cancel()
    recorder.go_on.set()

    sender.submit("wanted").result(10)

    assert "unwanted" not in [key for batch in recorder.batches for key in batch]
    with pytest.raises(CancelledError):
        future.result(0)


def test_closing_finishes_what_was_handed_in(make, recorder):
    sender = make(workers=3)
    futures = [sender.submit(number) for number in range(500)]

    assert sender.close(10)

    assert [future.result(0) for future in futures] == [f"did {number}" for number in range(500)]
    with pytest.raises(SenderClosedError):
        sender.submit("late")
    assert sender.close(1)


def test_closing_gives_up_on_a_batch_that_hangs(make, recorder):
    sender = make()
    held(sender, recorder)

    assert not sender.close(0.05)


def test_two_batches_are_under_way_at_once(make, recorder):
    sender = make(workers=2)
    held(sender, recorder)
    recorder.entered.clear()

    sender.submit("second")

    assert recorder.entered.wait(10)
    assert recorder.batches == [["first"], ["second"]]


def test_many_threads_each_get_their_own_result(make, recorder):
    sender = make(workers=2)
    results = {}

    def task(number):
        results[number] = sender.submit(number).result(10)

    threads = [threading.Thread(target=task, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert results == {number: f"did {number}" for number in range(100)}
    assert sum(len(batch) for batch in recorder.batches) == 100
