"""The pool of connections to FCM by itself, against servers of a few lines."""

import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from pipeline.push.fcm import addresses
from pipeline.push.fcm.connection import Request
from pipeline.push.fcm.http1 import ClosedError, Pool
from scripts.local.embedded_redis import free_port
from tests.support.waiting import SECONDS, wait_until

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def read_request(connection, *, at_once=65536, slowly_s=0.0):
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(at_once)):
            raise ConnectionError
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    left = int(head.rpartition(b":")[2]) - len(body)
    while left > 0:
        time.sleep(slowly_s)
        left -= len(connection.recv(at_once))


class Server:
    """A plain server that answers each request after a moment, or when it is let, and counts."""

    def __init__(self, *, answer_s=0.0, may_answer=None, read=read_request, answer=ANSWER):
        """may_answer: a semaphore with a permit for each answer; who gets none in a minute closes."""
        self.requests, self.connections = 0, 0
        self._answer_s, self._may_answer, self._read, self._answer = answer_s, may_answer, read, answer
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            while True:
                self._read(connection)
                self.requests += 1
                time.sleep(self._answer_s)
                if self._may_answer is not None and not self._may_answer.acquire(timeout=SECONDS):
                    return
                connection.sendall(self._answer)
        except OSError:
            connection.close()


@contextmanager
def pool_of(server, connections):
    pool = Pool(f"http://127.0.0.1:{server.port}", tls=ssl.create_default_context(), connections=connections)
    try:
        yield pool
    finally:
        pool.close()
        server.socket.close()


def send(pool, count, *, within_s=90.0, timeout_s=90.0, body=b"{}"):
    """What came of each of so many requests."""
    head, came = pool.head("/send", {"A": "b"}), {}
    requests = (Request(head=head, body=body, number=number) for number in range(count))

    def done(request, answer):
        assert request.number not in came
        came[request.number] = type(answer) if isinstance(answer, OSError) else answer.body

    pool.exchange(requests, count, done, until=time.monotonic() + within_s, timeout_s=timeout_s)
    return came


def test_batches_side_by_side_share_the_connections_and_keep_them():
    server = Server(answer_s=0.01)
    with pool_of(server, 4) as pool, ThreadPoolExecutor(3) as threads:
        came = list(threads.map(lambda _: send(pool, 20), range(3)))
        assert came == [dict.fromkeys(range(20), b"ok")] * 3
        assert (server.requests, server.connections) == (60, 4)


def test_a_small_batch_does_not_wait_until_a_large_one_is_done():
    may_answer = threading.Semaphore(0)
    server = Server(may_answer=may_answer)
    with pool_of(server, 2) as pool, ThreadPoolExecutor(2) as threads:
        large = threads.submit(send, pool, 100)
        wait_until(lambda: server.requests == 2)
        small = threads.submit(send, pool, 1)
        wait_until(lambda: pool.waiting)
        for answers in range(1, 50):
            may_answer.release()
            wait_until(lambda: small.done() or server.requests >= 2 + answers)  # noqa: B023
            if small.done():
                break
        assert small.result(60) == {0: b"ok"}
        assert not large.done()
        may_answer.release(101)
        assert large.result(60) == dict.fromkeys(range(100), b"ok")
        assert (server.requests, server.connections) == (101, 2)


def test_a_batch_that_gets_no_connection_in_its_time_has_sent_nothing():
    may_answer = threading.Semaphore(0)
    server = Server(may_answer=may_answer)
    with pool_of(server, 1) as pool, ThreadPoolExecutor(1) as threads:
        first = threads.submit(send, pool, 1)
        wait_until(lambda: server.requests)
        assert send(pool, 5, within_s=0.3) == {}
        may_answer.release()
        assert first.result(60) == {0: b"ok"}
        assert server.requests == 1


def test_a_server_that_says_goodbye_after_each_answer_is_gone_to_anew():
    server = Server(answer=ANSWER.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
    with pool_of(server, 2) as pool:
        assert send(pool, 6) == dict.fromkeys(range(6), b"ok")
        assert server.connections == 6


def test_a_request_that_the_server_takes_in_slowly_goes_out_whole():
    server = Server(read=lambda connection: read_request(connection, slowly_s=0.001))
    with pool_of(server, 2) as pool:
        assert send(pool, 2, body=b"x" * 8_000_000) == dict.fromkeys(range(2), b"ok")


def test_closed_from_another_thread_it_waits_for_nothing():
    server = Server(may_answer=threading.Semaphore(0))
    with pool_of(server, 2) as pool, ThreadPoolExecutor(1) as threads:
        batch = threads.submit(send, pool, 5)
        wait_until(lambda: server.requests == 2)
        pool.close()
        assert batch.result(60) == dict.fromkeys(range(2), ClosedError)


def test_a_header_that_would_begin_another_is_refused():
    server = Server()
    with pool_of(server, 1) as pool, pytest.raises(ValueError, match="header"):
        pool.head("/send", {"Authorization": "Bearer x\r\nX-Other: y"})


@contextmanager
def silent_address():
    """An address that takes no connection and refuses none: its queue is full."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        waiting = []
        for _ in range(4):
            one = socket.socket()
            # The first one has its place before the others come.
            one.setblocking(not waiting)
            one.connect_ex(silent.getsockname())
            waiting.append(one)
        yield silent.getsockname()
        for one in waiting:
            one.close()


@pytest.fixture
def names(monkeypatch):
    """What a name stands for."""
    found = []
    monkeypatch.setattr(
        addresses.socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", where) for where in found]
    )
    return found


def test_the_first_address_that_answers_is_taken(names):
    server = Server()
    with silent_address() as silent:
        names[:] = [silent, ("127.0.0.1", free_port()), ("127.0.0.1", server.port)]
        (_, where), connected = addresses.first_of("board.example", 443, 60)
    assert where == ("127.0.0.1", server.port)
    connected.close()
    server.socket.close()


def test_addresses_of_which_none_answers_are_given_up_in_time(names):
    with silent_address() as silent:
        names[:] = [silent]
        with pytest.raises(TimeoutError):
            addresses.first_of("board.example", 443, 0.3)


def test_a_name_server_that_is_away_is_not_waited_for(monkeypatch):
    never = threading.Event()
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: never.wait(20))
    with pytest.raises(TimeoutError):
        addresses.first_of("board.example", 443, 0.1)
    never.set()
