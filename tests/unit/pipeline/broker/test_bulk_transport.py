"""When our transports are used, and that the inside of kombu on which they lean is as it was read."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from kombu import Connection
from kombu.transport import redis, virtual
from kombu.utils import symbol_by_name
from kombu.utils.scheduling import cycle_by_name, priority_cycle

from pipeline.broker import bulk_acks, redis_transport
from pipeline.broker import bulk_transport as transport
from pipeline.broker.bulk_transport import bulk_transport
from pipeline.broker.redis_transport import CLASSES, KOMBU_VERSIONS, sturdy_transport, tag_of

Chooser = Callable[[str], str | None]
both = pytest.mark.parametrize("choose", [sturdy_transport, bulk_transport])


@pytest.mark.parametrize(("choose", "module"), [(sturdy_transport, redis_transport), (bulk_transport, transport)])
@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://:secret@127.0.0.1:6379/0", "Transport"),
        ("rediss://:secret@redis.example:6380/0", "Transport"),
        ("sentinel://127.0.0.1:26379/0", "SentinelTransport"),
    ],
)
def test_a_redis_is_read_with_a_transport_of_ours(choose, module, url, kind):
    assert symbol_by_name(choose(url)) is getattr(module, kind)


@both
@pytest.mark.parametrize("url", ["amqp://guest@127.0.0.1//", "memory://", ""])
def test_another_broker_is_read_as_kombu_reads_it(choose, url, caplog):
    assert choose(url) is None
    assert caplog.records == []


@both
@pytest.mark.parametrize("scheme", CLASSES)
def test_with_an_unknown_kombu_its_own_transport_is_used_and_one_warning_says_so(choose, scheme, monkeypatch, caplog):
    monkeypatch.setattr(redis_transport, "version", {"kombu": "5.7.99"}.__getitem__)
    assert choose(f"{scheme}://:secret@127.0.0.1/0") is None
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.fields == {"kombu": "5.7.99", "tested": ",".join(sorted(KOMBU_VERSIONS))}  # type: ignore[attr-defined]
    assert "secret" not in caplog.text


def test_a_message_of_kombus_has_a_tag():
    with Connection("memory://") as link:
        channel = link.channel()
        message = channel.prepare_message("body")
        channel._inplace_augment_message(message, "", "letters")
    assert tag_of(message) == message["properties"]["delivery_tag"]


INSIDE: list[tuple[Callable[..., Any], list[str]]] = [
    (redis.Channel._brpop_start, ["self", "timeout"]),
    (redis.Channel._brpop_read, ["self", "options"]),
    (redis.Channel._q_for_pri, ["self", "queue", "pri"]),
    (redis.Channel.conn_or_acquire, ["self", "client"]),
    (virtual.Channel._inplace_augment_message, ["self", "message", "exchange", "routing_key"]),
    (virtual.Channel._get_message_priority, ["self", "message", "reverse"]),
    (redis.Channel._flush_brpop_reauth, ["self"]),
    (redis.Channel._connparams, ["self", "asynchronous"]),
    (redis.Channel._create_client, ["self", "asynchronous"]),
    (redis.Channel._maybe_update_queues_expire, ["self", "client", "queue"]),
    (redis.Channel.basic_consume, ["self", "queue", "args", "kwargs"]),
    (redis.Channel.close, ["self"]),
    (virtual.Channel.basic_get, ["self", "queue", "no_ack", "kwargs"]),
    (virtual.Channel.basic_consume, ["self", "queue", "no_ack", "callback", "consumer_tag", "kwargs"]),
    (virtual.Transport._deliver, ["self", "message", "queue"]),
    (redis.QoS.append, ["self", "message", "delivery_tag"]),
    (redis.QoS.ack, ["self", "delivery_tag"]),
    (redis.QoS.reject, ["self", "delivery_tag", "requeue"]),
    (redis.QoS.restore_unacked, ["self", "client"]),
    (redis.QoS.restore_by_tag, ["self", "tag", "client", "leftmost"]),
    (virtual.QoS.append, ["self", "message", "delivery_tag"]),
    (virtual.QoS.ack, ["self", "delivery_tag"]),
    (virtual.QoS.restore_unacked_once, ["self", "stderr"]),
    (virtual.QoS.can_consume_max_estimate, ["self"]),
    (redis.Transport.register_with_event_loop, ["self", "connection", "loop"]),
    (redis.MultiChannelPoller.maybe_restore_messages, ["self"]),
]


@pytest.mark.parametrize(("function", "parameters"), INSIDE, ids=[function.__qualname__ for function, _ in INSIDE])
def test_the_inside_of_kombu_is_as_it_was_read(function, parameters):
    assert list(inspect.signature(function).parameters) == parameters


def attributes_of(function: Callable[..., Any]) -> set[str]:
    """The names of the attributes that a function reads or sets."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize(
    ("function", "names"),
    [
        # What ours does instead; and that the consumer's callback comes after the note.
        (redis.Channel._brpop_read, {"parse_response", "disconnect", "sep", "rotate", "_deliver", "_in_poll"}),
        (redis.Channel._brpop_read, {"_flush_brpop_reauth", "connection_errors"}),
        # What is pushed without it, as the same bytes to the same key.
        (virtual.Channel.basic_publish, {"_inplace_augment_message", "_put"}),
        (redis.Channel._put, {"_get_message_priority", "_q_for_pri", "lpush"}),
        (virtual.Channel.basic_consume, {"_callbacks", "Message", "append"}),
        # Why its answer is remembered.
        (redis.Channel._connparams, {"connection", "client", "hostname"}),
        (redis.Channel._get_pool, {"_connparams"}),
        # Set while an answer is awaited: the poller neither asks again nor reads without it.
        (redis.MultiChannelPoller._register_BRPOP, {"_in_poll", "_brpop_start"}),
        (redis.MultiChannelPoller._update_brpop_polling, {"_in_poll", "can_consume"}),
        (redis.MultiChannelPoller.maybe_check_brpop_health, {"_in_poll", "_brpop_sent_at"}),
        (redis.Channel._on_connection_disconnect, {"_in_poll"}),
        (redis.Channel.close, {"_closing", "_in_poll", "_brpop_read"}),
        (redis.Channel.__init__, {"handlers", "_brpop_read", "_queue_cycle", "connection_errors"}),
        (redis.Channel.pool.fget, {"_pool"}),
        (virtual.QoS.__init__, {"_delivered", "_dirty", "restore_unacked_once"}),
        (virtual.QoS.can_consume_max_estimate, {"prefetch_count", "_delivered", "_dirty"}),
        (redis.QoS.restore_unacked, {"_delivered", "restore_by_tag"}),
        (redis.QoS.restore_visible, {"restore_by_tag"}),
        (redis.QoS.ack, {"_remove_from_indices"}),
        (virtual.Channel.close, {"restore_unacked_once", "connection", "close_channel"}),
    ],
)
def test_kombu_itself_uses_what_is_leaned_on(function, names):
    assert names <= attributes_of(function)


def test_queues_are_read_in_turn_unless_their_order_is_a_priority():
    assert issubclass(cycle_by_name("sorted"), priority_cycle)
    assert not issubclass(cycle_by_name("round_robin"), priority_cycle)


@pytest.mark.parametrize(
    ("ours", "stock"),
    [
        (redis_transport.QoS, redis.QoS),
        (redis_transport.Channel, redis.Channel),
        (redis_transport.SentinelChannel, redis.SentinelChannel),
        (redis_transport.Transport, redis.Transport),
        (redis_transport.SentinelTransport, redis.SentinelTransport),
        (bulk_acks.QoS, redis.QoS),
        (transport.Channel, redis.Channel),
        (transport.SentinelChannel, redis.SentinelChannel),
        (transport.Transport, redis.Transport),
        (transport.SentinelTransport, redis.SentinelTransport),
    ],
)
def test_the_rest_is_kombus_own(ours, stock):
    assert issubclass(ours, stock)
