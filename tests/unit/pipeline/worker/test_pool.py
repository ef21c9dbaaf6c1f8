"""The pool with tasks of its own, and Celery's part played by hand: tests/acceptance has the real workers."""

import threading

import pytest
from celery import Celery

from pipeline.worker import pool
from pipeline.worker.pool import BatchTask, TaskPool
from tests.support.waiting import wait_until

WAIT_S = 60


class Doubling(BatchTask):
    """Doubles numbers; remembers which were done together."""

    abstract = True

    def do(self, calls):
        self.app.together.append(list(calls))
        assert self.app.go_on.wait(WAIT_S)
        numbers = {call: 2 * call[0] for call in calls if len(call) == 1 and type(call[0]) is int}
        if (13,) in numbers:
            raise ValueError("thirteen")
        return numbers


@pytest.fixture(autouse=True)
def two_batches(monkeypatch):
    """As many under way at once as hold() occupies."""
    monkeypatch.setattr(pool, "BATCHES", 2)


@pytest.fixture
def app():
    app = Celery("test", set_as_current=False)
    app.together = []
    app.go_on = threading.Event()
    app.go_on.set()

    @app.task(name="double", base=Doubling, bind=True, shared=False)
    def double(self, number):
        return self.outcome(number)

    @app.task(name="alone", shared=False)
    def alone(number):
        return number

    return app


class Worker:
    """What Celery's worker does with a pool."""

    def __init__(self, app, limit):
        self.app = app
        self.pool = TaskPool(limit, app=app)
        self.pool.start()
        self.accepted, self.done = [], {}
        self.changed = threading.Condition()

    def run(self, name, *args, key=None, accept=None, kwargs=None, priority=0):
        key = args if key is None else key

        def target(task, task_id, request):
            return self.app.tasks[task].run(*request["args"], **request["kwargs"])

        def keep(result):
            with self.changed:
                self.done[key] = result
                self.changed.notify_all()

        def guarded(*words):
            try:
                return target(*words)
            except Exception as error:
                return error

        self.pool.apply_async(
            guarded,
            args=(*(name, "id"), {"args": list(args), "kwargs": kwargs or {}, "delivery_info": {"priority": priority}}),
            callback=keep,
            accept_callback=accept or (lambda pid, at: self.accepted.append(key)),
        )

    def wait_for(self, *keys):
        with self.changed:
            assert self.changed.wait_for(lambda: set(keys) <= set(self.done), WAIT_S)


@pytest.fixture
def worker(app):
    worker = Worker(app, 50)
    yield worker
    app.go_on.set()
    worker.pool.stop()


def hold(app, worker, priority=0):
    """Occupy every batch, so that what comes now waits together."""
    app.go_on.clear()
    for number in (1, 2):
        worker.run("double", number, priority=priority)
        wait_until(lambda number=number: len(app.together) == number)


def test_calls_that_wait_are_done_together_and_each_task_finds_its_own_outcome(app, worker):
    hold(app, worker)
    for number in range(10, 13):
        worker.run("double", number)
    app.go_on.set()
    worker.wait_for((10,), (11,), (12,))
    assert app.together == [[(1,)], [(2,)], [(10,), (11,), (12,)]]
    assert [worker.done[number,] for number in range(10, 13)] == [20, 22, 24]


def test_what_is_to_come_later_holds_up_no_other_and_is_in_no_batch_with_it(app, worker):
    hold(app, worker, priority=3)
    worker.run("double", 10, priority=3)
    worker.run("double", 11)
    wait_until(lambda: len(app.together) == 3)
    app.go_on.set()
    worker.wait_for((10,), (11,))
    assert app.together == [[(1,)], [(2,)], [(11,)], [(10,)]]


def test_tasks_are_accepted_before_their_batch_is_done(app, worker):
    hold(app, worker)
    assert sorted(worker.accepted) == [(1,), (2,)]
    assert worker.done == {}


def test_a_batch_that_fails_fails_each_of_its_tasks_and_no_later_one(app, worker):
    hold(app, worker)
    worker.run("double", 12)
    worker.run("double", 13)
    app.go_on.set()
    worker.wait_for((12,), (13,))
    worker.run("double", 14)
    worker.wait_for((14,))
    assert [str(worker.done[number,]) for number in (12, 13, 14)] == ["thirteen", "thirteen", "28"]


def test_what_is_no_proper_call_fails_alone(app, worker):
    hold(app, worker)
    worker.run("double", "x", [], key="two")
    worker.run("double", {}, key="no number")
    worker.run("double", key="by name", kwargs={"number": 7})
    worker.run("double", 3)
    app.go_on.set()
    worker.wait_for("two", "no number", "by name", (3,))
    assert isinstance(worker.done["two"], TypeError)
    assert isinstance(worker.done["no number"], Exception)
    assert worker.done["by name"] == 14
    assert worker.done[3,] == 6


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_task_that_celery_does_not_accept_is_not_done_and_harms_no_other(app, worker, error):
    def refuse(pid, at):
        raise error

    hold(app, worker)
    worker.run("double", 5, accept=refuse)
    worker.run("double", 6)
    app.go_on.set()
    worker.wait_for((6,))
    assert (5,) not in worker.done
    assert app.together[-1] == [(6,)]


def test_other_tasks_have_a_thread_each(app, worker):
    hold(app, worker)
    worker.run("alone", 8)
    worker.wait_for((8,))
    assert worker.done[8,] == 8


def test_in_another_pool_a_task_does_its_call_by_itself(app):
    assert app.tasks["double"].run(21) == 42


def test_a_stop_finishes_what_was_begun_and_begins_nothing(app, worker):
    hold(app, worker)
    worker.run("double", 3)
    stopping = threading.Thread(target=worker.pool.stop)
    stopping.start()
    wait_until(lambda: worker.pool._gatherers["double", False]._closed)
    app.go_on.set()
    stopping.join(WAIT_S)
    assert not stopping.is_alive()
    assert worker.done == {(1,): 2, (2,): 4}
