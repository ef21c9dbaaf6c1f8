"""The gateway's own HTTP/1.1, over plain TCP, with a handler that does what the path says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from scripts.gateway import http1
from scripts.gateway.answers import Answer
from scripts.gateway.http1 import HTTPConnection, Request

TIMEOUT_S = 20
CLOSE = b"Connection: close\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Writes bytes as they are, and reads answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def read(self, *, has_body: bool = True) -> Reply:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers["content-length"]) if has_body else 0
        return Reply(int(first.split(" ")[1]), headers, await self.reader.readexactly(length))

    async def is_at_the_end(self) -> bool:
        return await self.reader.read() == b""


@dataclass
class Server:
    """Where to connect, and what came of it."""

    port: int = 0
    asked: list[bytes] = field(default_factory=list)
    answered: list[bytes] = field(default_factory=list)
    connections: set[HTTPConnection] = field(default_factory=set)

    def handle(self, connection: HTTPConnection, request: Request) -> None:
        self.asked.append(request.target)
        answer = Answer(status=200, body=request.target + b" " + request.body)
        if request.path == "/later":
            connection.later(0.1, self._answer, connection, request, answer)
        elif request.path == "/never":
            connection.ignore()
        elif request.path == "/reset":
            connection.reset()
        elif request.path == "/drip":
            connection.drip(answer, 0.001)
        elif request.path == "/big":
            connection.answer(Answer(status=200, body=b"x" * 100_000))
        elif request.path == "/fail":
            raise ValueError("no such thing")
        else:
            self._answer(connection, request, answer)

    def _answer(self, connection: HTTPConnection, request: Request, answer: Answer) -> None:
        self.answered.append(request.target)
        connection.answer(answer)

    async def connect(self) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Server, Client]]:
    """A server and one client of it."""
    seen = Server()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HTTPConnection(seen.handle, seen.connections), "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    client = await seen.connect()
    try:
        yield seen, client
    finally:
        server.close()
        client.writer.close()
        for connection in list(seen.connections):
            connection.abort()


Test = Callable[[Server, Client], Awaitable[None]]


def run(test: Test) -> None:
    """Run a test with a server and a client."""

    async def whole() -> None:
        async with asyncio.timeout(TIMEOUT_S), serving() as (server, client):
            await test(server, client)

    asyncio.run(whole())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def post(path: str, body: bytes = b"", head: bytes = b"", version: str = "1.1") -> bytes:
    start = f"POST {path} HTTP/{version}\r\nHost: here\r\nContent-Length: {len(body)}\r\n"
    return start.encode() + head + b"\r\n" + body


@pytest.fixture(autouse=True)
def _short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "LINGER_S", 0.05)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/token", "/token"),
        (b"/v1/messages:send?alt=json", "/v1/messages:send"),
        (b"/v1/messages%3Asend", "/v1/messages:send"),
        (b"https://127.0.0.1:8901/v1/messages:send?x", "/v1/messages:send"),
        (b"https://127.0.0.1", "/"),
        (b"*", "/"),
        (b"/%EC%9E%A5", "/장"),
    ],
)
def test_the_path_of_a_target(target: bytes, path: str) -> None:
    assert Request(target=target).path == path


def test_a_connection_is_kept_and_its_requests_are_answered() -> None:
    async def test(server: Server, client: Client) -> None:
        for number in range(3):
            client.write(post(f"/{number}", b"body"))
            reply = await client.read()
            assert (reply.status, reply.body) == (200, b"/%d body" % number)
            assert reply.headers["content-type"] == "application/json; charset=UTF-8"
            assert reply.headers["date"].endswith(" GMT")
            assert "connection" not in reply.headers
        assert len(server.connections) == 1

    run(test)


def test_pipelined_requests_are_answered_in_order_one_at_a_time() -> None:
    async def test(server: Server, client: Client) -> None:
        client.write(post("/later?1") + post("/2") + post("/drip?3") + post("/4"))
        await until(lambda: server.asked == [b"/later?1"])
        assert [(await client.read()).body for _ in range(4)] == [b"/later?1 ", b"/2 ", b"/drip?3 ", b"/4 "]

    run(test)


def test_more_pipelined_requests_than_are_read_at_once() -> None:
    async def test(server: Server, client: Client) -> None:
        count = 20 * http1.MOST_WAITING
        client.write(post("/later?0"))
        await until(lambda: bool(server.asked))
        for number in range(1, count):
            client.write(post(f"/{number}", b"x" * 1000))
        (connection,) = server.connections
        await until(lambda: connection._reading_is_paused)
        assert (await client.read()).body == b"/later?0 "
        bodies = [(await client.read()).body for _ in range(1, count)]
        assert [body.split(b" ")[0] for body in bodies] == [b"/%d" % number for number in range(1, count)]

    run(test)


def test_who_does_not_read_is_not_read() -> None:
    async def test(server: Server, client: Client) -> None:
        count = 1000
        client.write(post("/big") * count)
        await until(lambda: bool(server.connections))
        (connection,) = server.connections
        await until(lambda: connection._writing_is_paused)
        assert connection._reading_is_paused
        for _ in range(count):
            assert len((await client.read()).body) == 100_000
        assert not connection._reading_is_paused

    run(test)


@pytest.mark.parametrize("request_", [post("/a", head=CLOSE), post("/a", version="1.0")], ids=["close", "HTTP/1.0"])
def test_the_last_request_of_a_connection(request_: bytes) -> None:
    async def test(server: Server, client: Client) -> None:
        client.write(request_ + post("/b"))
        reply = await client.read()
        assert (reply.body, reply.headers["connection"]) == (b"/a ", "close")
        assert await client.is_at_the_end()
        assert server.asked == [b"/a"]

    run(test)


def test_a_client_of_http_1_0_that_wants_to_stay() -> None:
    async def test(server: Server, client: Client) -> None:
        for _ in range(2):
            client.write(post("/a", head=b"Connection: keep-alive\r\n", version="1.0"))
            assert (await client.read()).headers["connection"] == "keep-alive"
        assert len(server.connections) == 1

    run(test)


def test_a_body_that_comes_in_pieces() -> None:
    async def test(server: Server, client: Client) -> None:
        for piece in post("/a", "장학금".encode(), head=b"X-Empty:\r\n"):
            client.write(bytes([piece]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.read()).body.decode() == "/a 장학금"
        # Across all borders that segments can have, with the next request behind it.
        whole = post("/a", b"one") + post("/b", b"two")
        for border in range(1, len(whole)):
            client.write(whole[:border])
            await asyncio.sleep(0.001)
            client.write(whole[border:])
            assert [(await client.read()).body for _ in range(2)] == [b"/a one", b"/b two"]

    run(test)


def test_a_body_in_chunks_with_a_trailer() -> None:
    async def test(server: Server, client: Client) -> None:
        head = b"POST /a HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.write(head + b"3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n" + post("/b"))
        assert [(await client.read()).body for _ in range(2)] == [b"/a onetwo", b"/b "]

    run(test)


def test_a_client_that_asks_before_it_sends_its_body() -> None:
    async def test(server: Server, client: Client) -> None:
        head, _, body = post("/a", b"body", head=b"Expect: 100-Continue\r\n").rpartition(b"\r\n\r\n")
        # Only when the answer before it is out.
        client.write(post("/later") + head + b"\r\n\r\n")
        assert (await client.read()).body == b"/later "
        assert await client.reader.readexactly(len(CONTINUE)) == CONTINUE
        client.write(body)
        assert (await client.read()).body == b"/a body"
        # Not when the body is there already.
        client.write(head + b"\r\n\r\n" + body)
        assert (await client.read()).status == 200
        # And not to HTTP/1.0.
        client.write(head.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n\r\n")
        await asyncio.sleep(0.05)
        client.write(body)
        assert (await client.read()).status == 200

    run(test)


def test_the_answer_to_head_has_no_body() -> None:
    async def test(server: Server, client: Client) -> None:
        client.write(b"HEAD /a HTTP/1.1\r\nHost: here\r\n\r\n" + post("/b"))
        assert (await client.read(has_body=False)).headers["content-length"] == "3"
        assert (await client.read()).body == b"/b "

    run(test)


BAD = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no such method": b"PUSH / HTTP/1.1\r\n\r\n",
    "a length that is none": b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a length and chunks": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk's length that is none": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "a tunnel": b"CONNECT here:443 HTTP/1.1\r\nHost: here\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_http_is_refused_once_and_the_connection_closed(name: str) -> None:
    async def test(server: Server, client: Client) -> None:
        # What came before it is answered first.
        client.write(post("/later") + BAD[name])
        assert (await client.read()).body == b"/later "
        reply = await client.read()
        assert (reply.status, reply.headers["connection"]) == (400, "close")
        client.write(post("/b"))
        assert await client.is_at_the_end()
        assert server.asked == [b"/later"]
        assert not server.connections

    run(test)


def pieces_of(data: bytes) -> list[bytes]:
    return [data[start : start + 4000] for start in range(0, len(data), 4000)]


LONG = b"x" * (http1.MAX_HEAD_BYTES + 1)
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
TOO_LONG: dict[str, tuple[int, bytes]] = {
    "a header": (431, post("/", head=b"X-Long: " + LONG + b"\r\n")),
    "a header without an end": (431, b"POST / HTTP/1.1\r\nX-Long: " + LONG),
    "many headers": (431, post("/", head=b"X-Short: x\r\n" * 3000)),
    "a target": (431, post("/" + LONG.decode())),
    "a body by its length": (413, b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (http1.MAX_BODY_BYTES + 1)),
    "a body that asks first": (
        413,
        b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (http1.MAX_BODY_BYTES + 1),
    ),
    "a body in chunks": (413, CHUNKED + CHUNK * 17),
    "a body in tiny chunks": (413, CHUNKED + b"1\r\nx\r\n" * 200_000),
    "a trailer without an end": (413, CHUNKED + b"0\r\nX-Long: " + LONG * 70),
}


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize("name", TOO_LONG)
def test_what_is_too_long_is_refused(name: str, in_pieces: bool) -> None:
    async def test(server: Server, client: Client) -> None:
        status, data = TOO_LONG[name]
        for piece in pieces_of(data) if in_pieces else [data]:
            client.write(piece)
            await asyncio.sleep(0)
        reply = await client.read()
        assert (reply.status, reply.headers["connection"]) == (status, "close")
        assert await client.is_at_the_end()
        assert server.asked == []

    run(test)


def test_the_longest_body_and_a_long_head_are_taken() -> None:
    async def test(server: Server, client: Client) -> None:
        for _ in range(2):
            client.write(post("/a", b"x" * http1.MAX_BODY_BYTES, head=b"X-Long: " + LONG[200:] + b"\r\n"))
            assert len((await client.read()).body) == http1.MAX_BODY_BYTES + 3

    run(test)


def test_who_goes_away_is_not_answered() -> None:
    async def test(server: Server, client: Client) -> None:
        client.write(post("/later") + post("/a"))
        await until(lambda: bool(server.asked))
        client.writer.close()
        await until(lambda: not server.connections)
        await asyncio.sleep(0.15)
        assert (server.asked, server.answered) == ([b"/later"], [])

    run(test)


def test_silence_lasts_until_the_client_gives_up() -> None:
    async def test(server: Server, client: Client) -> None:
        client.write(post("/never") + post("/a") * 2 * http1.MOST_WAITING)
        await until(lambda: bool(server.asked))
        client.write(post("/b", b"x" * 100_000) * 100 + b"no HTTP")
        await client.writer.drain()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reader.read(1), 0.1)
        assert (server.asked, len(server.connections)) == ([b"/never"], 1)
        client.writer.close()
        await until(lambda: not server.connections)

    run(test)


def test_a_reset_spares_nothing_behind_it() -> None:
    async def test(server: Server, client: Client) -> None:
        client.write(post("/reset") + post("/a"))
        with pytest.raises(ConnectionResetError):
            await client.reader.read()
        assert (server.asked, server.connections) == ([b"/reset"], set())

    run(test)


@pytest.mark.parametrize("end", [HTTPConnection.close, HTTPConnection.abort])
def test_the_server_ends_a_connection_that_is_owed_an_answer(end: Callable[[HTTPConnection], None]) -> None:
    async def test(server: Server, client: Client) -> None:
        client.write(post("/later") + post("/a"))
        await until(lambda: bool(server.asked))
        for connection in list(server.connections):
            end(connection)
            end(connection)
        assert await client.is_at_the_end()
        await asyncio.sleep(0.15)
        assert (server.answered, server.connections) == ([], set())

    run(test)


def test_a_connection_is_closed_when_nothing_happens_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "KEEPALIVE_S", 0.05)

    async def test(server: Server, client: Client) -> None:
        client.write(post("/later"))
        # An answer that is owed keeps it open.
        assert (await client.read()).status == 200
        assert await client.is_at_the_end()

        unfinished = await server.connect()
        unfinished.write(post("/a", b"body")[:-1])
        assert await unfinished.is_at_the_end()

    run(test)


def test_a_handler_that_fails_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: Server, client: Client) -> None:
        client.write(post("/fail") + post("/a"))
        assert [(await client.read()).status for _ in range(2)] == [500, 200]

    run(test)
    assert "a request could not be handled" in caplog.text
