"""FCM's answers that are cut off, endless, or no HTTP at all."""

import asyncio
import ssl
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.push.channels import build_channels
from pipeline.push.clock import Clock
from pipeline.push.fcm import access_token
from pipeline.push.fcm.connection import MAX_ANSWER_BYTES
from pipeline.push.message import Platform
from tests.support.messages import message


def head(status, length):
    return f"HTTP/1.1 {status} Something\r\nContent-Length: {length}\r\n\r\n".encode()


async def read_request(reader):
    request = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in request.lower().split(b"\r\n") if line.startswith(b"content-length"))
    await reader.readexactly(int(length.split(b":")[1]))


@contextmanager
def channel_to(config, answer, keep=False):
    """An FCM channel to a server that reads a request, writes `answer` to it, and closes the connection (or not)."""
    seen = SimpleNamespace(requests=0, connections=0)

    async def serve(reader, writer):
        seen.connections += 1
        try:
            while True:
                await read_request(reader)
                seen.requests += 1
                writer.write(answer)
                await writer.drain()
                if not keep:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    with server_of(config, serve) as url:
        channel = build_channels(replace(config, fcm_endpoint=url))[Platform.FCM]
        channel._tokens = SimpleNamespace(get=lambda until: "an access token", close=lambda: None)
        try:
            yield channel, seen
        finally:
            channel.close()


@contextmanager
def server_of(config, serve):
    """An HTTPS server on a free port whose connections a coroutine serves; its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(config.ca_file).parent / "server.pem")
    loop = asyncio.new_event_loop()

    async def start():
        return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)

    async def end(server):
        server.close()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(end(server), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        # The head of an error is enough to know that the message was not accepted.
        (head(503, 1000) + b'{"error": {"code": 503, "stat', "retry", "http_503"),
        (head(404, 1000) + b'{"error": {"code": 404, "details": [{"errorCode": "UNREGISTERED"', "retry", "http_404"),
        (head(400, 1000), "rejected", "http_400"),
        # The head of a success is not enough to know which one it was.
        (head(200, 1000) + b'{"name": "projects/p/mess', "unknown", "unreadable"),
        (head(200, 1000), "unknown", "connection_lost"),
        (head(200, 10 * MAX_ANSWER_BYTES) + b"x" * 2 * MAX_ANSWER_BYTES, "unknown", "unreadable"),
        (head(302, 0).replace(b"\r\n\r\n", b"\r\nLocation: https://127.0.0.1:1/\r\n\r\n"), "retry", "http_302"),
        (b"", "unknown", "connection_lost"),
        (b"220 mail.example ESMTP\r\n", "unknown", "connection_lost"),
        (b"\x00\x01\x02", "unknown", "connection_lost"),
    ],
)
def test_an_answer_that_is_none_is_an_outcome_and_the_message_is_sent_once(config, answer, kind, code):
    with channel_to(config, answer) as (channel, seen):
        outcomes = channel.send([message(), message()], 60)
    assert Counter((outcome.kind.value, outcome.code) for outcome in outcomes) == {(kind, code): 2}
    assert seen.requests == 2


def accepted(name):
    body = b'{"name": "%s"}' % name
    return head(200, len(body)) + body


def gone():
    body = b"""{"error": {"status": "NOT_FOUND", "details": [{"@type": "%s", "errorCode": "UNREGISTERED"}]}}"""
    body %= b"type.googleapis.com/google.firebase.fcm.v1.FcmError"
    return head(404, len(body)) + body


@pytest.mark.parametrize("more", [gone(), gone()[:20], b"\r\n" + gone(), b"not HTTP", b"\x00"])
def test_what_follows_an_answer_unasked_is_nobodys_and_its_connection_is_not_used_again(config, more):
    with channel_to(config, accepted(b"projects/p/messages/1") + more, keep=True) as (channel, seen):
        outcomes = [channel.send([message()], 60)[0] for _ in range(3)]
    assert [(outcome.kind.value, outcome.provider_id) for outcome in outcomes] == [
        ("delivered", "projects/p/messages/1")
    ] * 3
    assert (seen.requests, seen.connections) == (3, 3)


def test_connections_are_kept(config):
    with channel_to(config, accepted(b"projects/p/messages/1"), keep=True) as (channel, seen):
        for _ in range(3):
            channel.send([message()], 60)
        assert seen.connections == 1


async def one_byte_after_another(writer):
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nX-Long:", head(200, 10**6), None])
def test_a_token_end_point_that_drips_is_given_up_and_asked_anew_on_another_connection(config, monkeypatch, begin):
    monkeypatch.setattr(access_token, "FETCH_TIMEOUT_S", 1.0)
    monkeypatch.setattr(access_token, "FAILURE_HOLD_S", 0.0)
    seen = SimpleNamespace(connections=0, well=False)

    async def serve(reader, writer):
        seen.connections += 1
        try:
            await read_request(reader)
            if seen.well:
                token = b'{"access_token": "a token", "expires_in": 3600}'
                writer.write(head(200, len(token)) + token)
            elif begin is None:
                await reader.read()
            else:
                writer.write(begin)
                await one_byte_after_another(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    with server_of(config, serve) as url, channel_to(config, accepted(b"projects/p/messages/1")) as (channel, _):
        credentials = channel._client.credentials
        credentials._token_uri = url
        channel._tokens = access_token.AccessTokens(credentials, channel._pool._tls, Clock())
        began = time.monotonic()
        (outcome,) = channel.send([message()], 90)
        assert (outcome.kind.value, outcome.code) == ("retry", "token_unavailable")
        assert time.monotonic() - began < 30
        monkeypatch.setattr(access_token, "FETCH_TIMEOUT_S", 60.0)
        seen.well, before = True, seen.connections
        (outcome,) = channel.send([message()], 60)
        assert outcome.kind.value == "delivered"
        assert seen.connections == before + 1
