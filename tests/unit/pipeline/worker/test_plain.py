"""Which messages go the short way into a batch, and which Celery's. What becomes of both: tests of real workers."""

import base64
import contextlib
import copy
import json
import logging
from types import SimpleNamespace

import pytest
from celery.worker import state
from kombu.transport import virtual

from pipeline.broker import bulk_transport
from pipeline.broker.forms import KNOWN_MOST, Forms
from pipeline.worker import plain

ID = "01234567-89ab-cdef-0123-456789abcdef"
HEADERS = {"id": "a", "task": "notify_user", "ignore_result": True, "timelimit": [None, None], "retries": 0}
BODY = [[1, 2], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
WAY = (lambda *_: None, lambda *_: None, [])


@pytest.fixture
def consumer():
    return SimpleNamespace(
        event_dispatcher=SimpleNamespace(enabled=True, groups={"worker"}),
        task_buckets={"notify_user": None},
        restart_count=0,
        on_task_message=set(),
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
        lambda plains: gone["short"].extend(plain.call for plain in plains),
    )

    def come(message, body=None, way=WAY):
        return lane(message, body, *way) or gone

    come.take, come.gone = lane.take, gone
    yield come
    state.reset_state()
    for logger in plain.LOGGED:
        logger.setLevel(logging.NOTSET)


def message(*, headers=None, body=BODY, **changed):
    raw = body if isinstance(body, bytes | str) else json.dumps(body).encode()
    values = {"content_type": "application/json", "errors": None, "channel": None, **changed}
    return SimpleNamespace(headers={**HEADERS, **(headers or {})}, body=raw, **values)


def test_a_message_that_asks_for_nothing_but_its_call_goes_the_short_way(lane):
    assert lane(message()) == {"short": [(1, 2)], "long": []}
    assert lane(message(headers={"ignore_result": None})) == {"short": [(1, 2), (1, 2)], "long": []}
    # RabbitMQ's are text.
    assert lane(message(body=json.dumps(BODY)))["short"] == [(1, 2)] * 3
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
        lambda consumer: consumer.on_task_message.add(print),
        lambda consumer: plain.LOGGED[0].setLevel(logging.INFO),
    ],
    ids=["revoked", "stamp", "events", "all-events", "rate-limit", "after-a-loss", "told-of-each", "logged"],
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


def test_none_goes_the_short_way_that_celery_has_read(lane):
    assert not lane(message(), body={"args": [1, 2]})["short"]


class Channel(virtual.Channel):
    """Reads what stands in Redis as kombu does, and notes what a lane holds."""

    def __init__(self):
        self.lanes, self.held, self.forms = {}, [], Forms()

    def hold(self, tags):
        self.held.extend(tags)

    def raw(self, taken):
        """As our transport hands it to a lane; None for what it hands to kombu."""
        known = self.forms.read(taken)
        return known and bulk_transport.RawMessage(self, ("notify_tasks", "tag", taken), *known)


def stands_in_redis(number=1, *, headers=None, body=BODY, **changed):
    """A message as kombu has it stand there; `changed`: its properties, and its content type."""
    id_ = ID[:-3] + f"{number:03}"
    content_type = changed.pop("content_type", "application/json")
    encoded = base64.b64encode(body if isinstance(body, bytes) else json.dumps(body).encode()).decode()
    return {
        "body": encoded,
        "content-encoding": "utf-8",
        "content-type": content_type,
        "headers": {**HEADERS, "id": id_, "root_id": id_, "argsrepr": f"(1, {number})", **(headers or {})},
        "properties": {
            "correlation_id": id_,
            "delivery_info": {"exchange": "", "routing_key": "notify_tasks"},
            "body_encoding": "base64",
            "delivery_tag": id_[::-1],
            **changed,
        },
    }


ODD = [
    *({"headers": {name: "x"}} for name in (*plain.ASKING, "argsrepr", "id", "root_id", "eta", "\u00e4")),
    *({"headers": {"id": odd}} for odd in ('qu"ote', "back\\slash", "\u00e4", "", "line\n")),
    {"headers": {"ignore_result": False}},
    {"headers": {"timelimit": [1, None]}},
    {"headers": {"more": {"id": ID[:-3] + "001"}}},
    {"body": [["a", "b"], {}, BODY[2]]},
    {"body": [["a]", "b"], {}, BODY[2]]},
    {"body": [[1, [2], 3], {}, BODY[2]]},
    {"body": [[1, True], {}, BODY[2]]},
    {"body": [[], {}, BODY[2]]},
    {"body": [[1, 2], {"a": 1}, BODY[2]]},
    {"body": [[1, 2], {}, {**BODY[2], "chain": [1]}]},
    {"body": json.dumps(BODY).encode().replace(b"[[1", b"{[1")},
    {"body": json.dumps(BODY).encode().replace(b"[[1", b" [ [1")},
    {"body": json.dumps(BODY).encode().replace(b"2]", b"2 ,]")},
    {"body": b"[" * 100_000},
    {"body": b""},
    {"content_type": "application/x-yaml"},
    {"correlation_id": "x"},
    {"delivery_info": {"exchange": "", "routing_key": "notify_tasks", "redelivered": True}},
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:60])
@pytest.mark.parametrize("learned", [True, False], ids=["after-others", "first"])
def test_as_it_stands_in_redis_a_message_is_judged_as_kombus_object_for_it_is(lane, odd, learned):
    channel = Channel()
    usual = [json.dumps(stands_in_redis(number)).encode() for number in range(2, 5)] * learned
    strange = stands_in_redis(**odd)
    sent = [*usual, json.dumps(strange).encode(), *usual]

    with contextlib.suppress(KeyError):
        lane(virtual.Message(copy.deepcopy(strange), channel=channel))
    one_by_one = lane.gone["short"] * 1
    lane.gone["short"].clear()
    raws = [raw for each in sent if (raw := channel.raw(each))]
    left = lane.take(raws)

    ours = [call for call in lane.gone["short"] if call != (1, 2)] or lane.gone["short"][2 * len(usual) :]
    assert ours == one_by_one
    assert len(lane.gone["short"]) == len(raws) - len(left) == len(channel.held)
    for raw in raws:
        assert raw.id == json.loads(raw.taken[2])["headers"]["id"]
        assert raw.body == raw.message().body


def test_messages_that_differ_in_their_ids_alone_are_read_by_one_form():
    forms = Forms()
    read = [forms.read(json.dumps(stands_in_redis(number)).encode()) for number in range(50)]
    assert len({id(each.form) for each in read}) == 1
    # More than are remembered: each is still read as it is.
    for origin in range(20):
        raw = stands_in_redis(origin, headers={"origin": f"gen{origin}@host"})
        assert forms.read(json.dumps(raw).encode()).form.headers["origin"] == f"gen{origin}@host"
    assert len(forms._known) == KNOWN_MOST
