"""Which messages go the short way into a batch, and which Celery's. What becomes of both: tests of real workers."""

import json
import logging
from types import SimpleNamespace

import pytest
from celery.worker import state

from pipeline.worker import plain

HEADERS = {"id": "a", "task": "notify_user", "ignore_result": True, "timelimit": [None, None], "retries": 0}
BODY = [[1, 2], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
WAY = (lambda *_: None, lambda *_: None, [])


@pytest.fixture
def consumer():
    return SimpleNamespace(
        event_dispatcher=SimpleNamespace(enabled=True, groups={"worker"}),
        task_buckets={"notify_user": None},
        restart_count=0,
        _maximum_prefetch_restored=True,
    )


@pytest.fixture
def lane(consumer, monkeypatch):
    """A lane that notes what went which way."""
    gone = {"short": [], "long": []}
    monkeypatch.setattr(plain, "default", lambda *_: lambda message, *_: gone["long"].append(message))
    for logger in plain.LOGGED:
        logger.setLevel(logging.WARNING)
    lane = plain.Lane(
        SimpleNamespace(name="notify_user", ignore_result=True),
        None,
        consumer,
        lambda each: gone["short"].append(each.call),
    )
    yield lambda message, body=None, way=WAY: lane(message, body, *way) or gone
    state.reset_state()
    for logger in plain.LOGGED:
        logger.setLevel(logging.NOTSET)


def message(*, headers=None, body=BODY, **changed):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    values = {"content_type": "application/json", "errors": None, **changed}
    return SimpleNamespace(headers={**HEADERS, **(headers or {})}, body=raw, **values)


def test_a_message_that_asks_for_nothing_but_its_call_goes_the_short_way(lane):
    assert lane(message()) == {"short": [(1, 2)], "long": []}
    assert lane(message(headers={"ignore_result": None})) == {"short": [(1, 2), (1, 2)], "long": []}
    assert set(state.requests) == {"a"}


@pytest.mark.parametrize(
    "odd",
    [
        *({"headers": {name: "x"}} for name in ("eta", "expires", "group", "shadow", "stamped_headers")),
        {"headers": {"retries": 1}},
        {"headers": {"timelimit": [None, 5]}},
        {"headers": {"ignore_result": False}},
        {"content_type": "application/x-python-serialize"},
        {"errors": [ValueError()]},
        {"body": [[1, 2], {"post_id": 1}, BODY[2]]},
        {"body": [[1, 2], {}, {**BODY[2], "chain": [{"task": "next"}]}]},
        {"body": [[1, True], {}, BODY[2]]},
        {"body": [[1, [2]], {}, BODY[2]]},
        {"body": [{"1": 2}, {}, BODY[2]]},
        {"body": [[1, 2], {}, None]},
        {"body": [1, 2]},
        {"body": 7},
        {"body": b"\xff{"},
    ],
    ids=str,
)
def test_a_message_that_asks_for_more_or_is_odd_goes_celerys(lane, odd):
    sent = message(**odd)
    assert lane(sent) == {"short": [], "long": [sent]}


@pytest.mark.parametrize(
    "happens",
    [
        lambda consumer: state.revoked.add("a"),
        lambda consumer: state.revoked_stamps.update(header=["x"]),
        lambda consumer: consumer.event_dispatcher.groups.add("task"),
        lambda consumer: consumer.event_dispatcher.groups.clear(),
        lambda consumer: consumer.task_buckets.update(notify_user=object()),
        lambda consumer: vars(consumer).update(restart_count=1, _maximum_prefetch_restored=False),
        lambda consumer: plain.LOGGED[0].setLevel(logging.INFO),
    ],
    ids=["revoked", "stamp", "events", "all-events", "rate-limit", "after-a-loss", "logged"],
)
def test_none_goes_the_short_way_while_more_is_asked_of_all(lane, consumer, happens):
    happens(consumer)
    sent = message()
    assert lane(sent) == {"short": [], "long": [sent]}


def test_none_goes_the_short_way_while_somebody_listens_to_each_task(lane):
    def listener(**_):
        pass

    for signal in plain.LISTENED:
        signal.connect(listener)
        try:
            assert not lane(message())["short"]
        finally:
            signal.disconnect(listener)
    assert lane(message())["short"] == [(1, 2)]


def test_none_goes_the_short_way_that_celery_has_read_or_tells_others_of(lane):
    assert not lane(message(), body={"args": [1, 2]})["short"]
    assert not lane(message(), way=(*WAY[:2], [print]))["short"]
