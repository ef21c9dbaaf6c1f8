"""FCM's answers that are cut off, endless, or no HTTP at all."""

import asyncio
import ssl
import threading
from asyncio.sslproto import SSLProtocol
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.push.channels import build_channels
from pipeline.push.fcm.http1 import MAX_ANSWER_BYTES, TLS_BUFFER_BYTES
from pipeline.push.message import Platform
from tests.support.messages import message


def head(status, length):
    return f"HTTP/1.1 {status} Something\r\nContent-Length: {length}\r\n\r\n".encode()


@contextmanager
def channel_to(config, answer):
    """An FCM channel to a server that reads a request, writes `answer` to it, and closes the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(config.ca_file).parent / "server.pem")
    loop = asyncio.new_event_loop()
    seen = SimpleNamespace(requests=0)

    async def serve(reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in request.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))
        seen.requests += 1
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def start():
        return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)

    async def token(instead_of=None):
        return "an access token"

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    port = server.sockets[0].getsockname()[1]
    channel = build_channels(replace(config, fcm_endpoint=f"https://127.0.0.1:{port}"))[Platform.FCM]
    channel._tokens = SimpleNamespace(get=token)
    try:
        yield channel, seen
    finally:
        channel.close()
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


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
        outcomes = channel.send([message(), message()], 10)

    assert Counter((outcome.kind.value, outcome.code) for outcome in outcomes) == {(kind, code): 2}
    assert seen.requests == 2


def test_a_connection_keeps_little_memory_for_tls():
    # What asyncio makes for each connection, here without one.
    protocol = SSLProtocol(SimpleNamespace(), asyncio.Protocol(), ssl.create_default_context(), None)

    assert len(protocol._ssl_buffer) == TLS_BUFFER_BYTES
