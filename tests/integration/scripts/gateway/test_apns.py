import uuid
from collections.abc import Callable

import pytest

from tests.integration.scripts.gateway.clients import APNsClient
from tests.support.waiting import wait_until

Connect = Callable[..., APNsClient]
TOKEN = "ab" * 32
REFUSED_STREAM = 7


def test_a_push_arrives_and_is_shown(gateway, connect):
    apns_id = str(uuid.uuid4())
    content = '{"aps":{"alert":{"title":"장학","body":"안내"}},"post_id":7}'.encode()
    answer = connect().send(TOKEN, content, apns_id=apns_id, apns_collapse_id="post-7", apns_push_type="alert")
    assert (answer.status, answer.body, answer.headers["apns-id"]) == (200, b"", apns_id)
    (push,) = gateway.received()
    assert (push["platform"], push["environment"], push["token"]) == ("apns", "production", TOKEN)
    assert (push["tag"], push["title"], push["body"], push["data"]) == ("post-7", "장학", "안내", {"post_id": 7})
    assert push["headers"]["apns-id"] == apns_id
    assert "authorization" not in push["headers"]


@pytest.mark.parametrize("alpn", [None, "http/1.1"])
def test_a_client_without_http_2_is_turned_away(gateway, connect, alpn):
    before = gateway.stats()["refused_connections"]
    connect(alpn=alpn).read_to_the_end()
    assert gateway.stats()["refused_connections"] == before + 1


def test_what_is_not_http_2_is_turned_away(connect):
    for count in (1, 1200):
        # After a good beginning, the first text reads like a frame of four megabytes; it need not come whole.
        client = connect(alpn="h2" if count > 1 else "h2-text")
        client.socket.sendall(b"GET / HTTP/1.1\r\n\r\n" * count)
        client.read_to_the_end()
    client = connect()
    assert client.send(TOKEN).status == 200


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"authorization": None}, 403, "MissingProviderToken"),
        ({"authorization": "bearer x.y.z"}, 403, "InvalidProviderToken"),
        ({"apns_topic": None}, 400, "MissingTopic"),
        ({":method": "GET"}, 405, "MethodNotAllowed"),
        ({":path": "/3/devices/x"}, 404, "BadPath"),
        ({":path": "/3/device/xyz"}, 400, "BadDeviceToken"),
        ({"apns_collapse_id": "x" * 65}, 400, "BadCollapseId"),
    ],
)
def test_a_refusal_leaves_the_connection_open(gateway, connect, changes, status, reason):
    client = connect()
    answer = client.send(TOKEN, **changes)
    assert (answer.status, answer.reason) == (status, reason)
    assert client.send(TOKEN).status == 200
    assert len(gateway.received()) == 1


def test_a_body_of_many_frames_is_too_large(connect):
    client = connect()
    answer = client.send(TOKEN, b" " * 60_000)
    assert (answer.status, answer.reason) == (413, "PayloadTooLarge")
    assert client.send(TOKEN).status == 200


def test_one_stream_until_the_provider_token_was_seen(gateway, connect):
    client = connect()
    client.wait(lambda: client.limits)
    assert client.limits == [1]
    assert client.send(TOKEN, authorization=None).status == 403
    assert client.limits == [1]
    assert client.send(TOKEN).status == 200
    client.wait(lambda: len(client.limits) == 2)
    assert client.limits == [1, 1000]


def test_settings_change_on_the_way_and_are_enforced(gateway, connect):
    client = connect()
    assert client.send(TOKEN).status == 200
    client.wait(lambda: client.limits == [1, 1000])
    gateway.set_faults(max_streams=2, latency_ms=300)
    client.wait(lambda: client.limits == [1, 1000, 2])
    # The answer proves that the acknowledgement, sent before the request, was read.
    client.send(TOKEN)
    opened = client.open_at_once(TOKEN, 4)
    client.wait(lambda: len(client.resets) == 2 and all(client.answers.get(i) for i in opened[:2]))
    assert client.resets == {opened[2]: REFUSED_STREAM, opened[3]: REFUSED_STREAM}
    assert [client.answers[i].status for i in opened[:2]] == [200, 200]
    assert len(gateway.received()) == 4


def test_goaway_answers_what_came_before_and_ignores_the_rest(gateway, connect):
    gateway.set_faults(goaway_after=3, latency_ms=50, one_stream_first=False)
    client = connect()
    opened = client.open_at_once(TOKEN, 5)
    client.read_to_the_end()
    assert client.goaway == opened[2]
    assert [client.answers[i].status for i in opened[:3]] == [200, 200, 200]
    assert not any(i in client.answers for i in opened[3:])
    assert len(gateway.received()) == 3
    assert connect().send(TOKEN).status == 200


def test_silence_does_not_hold_up_the_others(gateway, connect):
    client = connect()
    client.send(TOKEN)
    client.wait(lambda: len(client.limits) == 2)
    gateway.set_faults(silent_rate=1)
    silent = client.open(TOKEN)
    # set_faults asks the gateway in another connection, so wait until it has read the stream.
    wait_until(lambda: gateway.stats()["faults"] == {"silent": 1}, "the stream was not read")
    gateway.set_faults()
    assert client.send(TOKEN).status == 200
    assert silent not in client.answers


@pytest.mark.parametrize(("token", "status"), [(TOKEN, 200), ("cd" * 32, 410)])
def test_a_dripping_answer_comes_whole(gateway, connect, token, status):
    gateway.set_faults(drip_ms=1, dead_prefix="cd")
    answer = connect().send(token)
    assert answer.status == status
    assert answer.reason == (None if status == 200 else "Unregistered")


def test_a_client_that_gives_no_window_gets_its_answers_later(gateway, connect):
    from tests.integration.scripts.gateway.clients import frames

    client = connect()
    settings = frames.SettingsFrame(0)
    settings.settings = {frames.SettingsFrame.INITIAL_WINDOW_SIZE: 0}
    client.socket.sendall(settings.serialize())
    stream_id = client.open(TOKEN, apns_topic=None)
    client.wait(lambda: stream_id in client.answers)
    assert (client.answers[stream_id].status, client.answers[stream_id].body) == (400, b"")
    window = frames.WindowUpdateFrame(stream_id)
    window.window_increment = 1000
    client.socket.sendall(window.serialize())
    client.wait(lambda: client.answers[stream_id].ended)
    assert client.answers[stream_id].reason == "MissingTopic"
    # Credit for a stream that has ended is no reason to hang up.
    client.socket.sendall(window.serialize())
    settings.settings = {frames.SettingsFrame.INITIAL_WINDOW_SIZE: 65_535}
    client.socket.sendall(settings.serialize())
    assert client.send(TOKEN).status == 200
