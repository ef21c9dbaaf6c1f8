"""A connection to APNs that lies idle, hangs or breaks: when it is replaced by another."""

import asyncio
import threading

import pytest

from pipeline.push.apns import environment
from tests.integration.pipeline.push.scripted_server import Connection
from tests.integration.pipeline.push.test_apns_connection import channel_to, messages
from tests.support.messages import kinds
from tests.support.waiting import wait_until


def test_an_idle_connection_that_a_nat_forgot_is_found_out_before_a_message_is_trusted_to_it(config, monkeypatch):
    monkeypatch.setattr(environment, "PING_TIMEOUT_S", 0.3)

    class Forgotten(Connection):
        def request(self, stream_id):
            self.answer(stream_id)
            self.deaf = self.number == 1

    with channel_to(config, Forgotten) as (channel, server):
        assert kinds(channel.send(messages(1), 60)) == {("delivered", ""): 1}
        make_idle(channel)
        assert kinds(channel.send(messages(5), 60)) == {("delivered", ""): 5}
    assert [number for number, _, _ in server.requests] == [1, 2, 2, 2, 2, 2]


def test_an_idle_connection_that_still_lives_is_kept(config):
    with channel_to(config, Connection) as (channel, server):
        channel.send(messages(1), 60)
        make_idle(channel)
        assert kinds(channel.send(messages(5), 60)) == {("delivered", ""): 5}
        assert len(server.connections) == 1


def make_idle(channel):
    """As if nothing had been heard for an hour."""
    channel._environments["production"]._link.connection.received_at -= 3600


def test_after_a_deadline_in_silence_the_connection_is_asked_first(config, monkeypatch):
    monkeypatch.setattr(environment, "PING_TIMEOUT_S", 0.3)

    class Stalls(Connection):
        max_streams = 100

        def request(self, stream_id):
            if self.number > 1 or stream_id == 1:
                self.answer(stream_id)
            else:
                self.deaf = True

    with channel_to(config, Stalls) as (channel, server):
        assert kinds(channel.send(messages(1), 60)) == {("delivered", ""): 1}
        assert kinds(channel.send(messages(3), 2)) == {("unknown", "timeout"): 3}
        assert kinds(channel.send(messages(3), 60)) == {("delivered", ""): 3}
        assert len(server.connections) == 2


class NoWindow(Connection):
    """Answers pings, and gives no room for the body of a message."""

    initial_window = 0


class NoStream(Connection):
    """Answers pings, and allows no message."""

    max_streams = 0


class NoAnswer(Connection):
    """Takes all messages, answers pings, and nothing else."""

    max_streams = 100

    def request(self, stream_id):
        pass


class DripsAnswers(NoAnswer):
    """Begins each answer and never ends it."""

    def request(self, stream_id):
        self.h2.send_headers(stream_id, [(":status", "200")])
        self.drip(stream_id)

    def drip(self, stream_id):
        if not self.transport.is_closing():
            self.h2.send_data(stream_id, b" ")
            self.flush()
            asyncio.get_running_loop().call_later(0.05, self.drip, stream_id)


@pytest.mark.parametrize("hangs", [NoWindow, NoStream, NoAnswer, DripsAnswers])
def test_a_connection_that_brings_nothing_is_replaced_and_they_do_not_pile_up(config, monkeypatch, hangs):
    monkeypatch.setattr(environment, "STALL_S", 0.4)
    healed = threading.Event()

    def script(server):
        return Connection(server) if healed.is_set() else hangs(server)

    with channel_to(config, script) as (channel, server):
        for _ in range(8):
            outcomes = channel.send(messages(3), 0.3)
            assert {outcome.kind.value for outcome in outcomes} <= {"unknown", "retry"}
        # One that has not got as far as its transport is open, too.
        wait_until(
            lambda: sum(each.transport is None or not each.transport.is_closing() for each in server.connections) <= 1
        )
        healed.set()
        wait_until(lambda: kinds(channel.send(messages(3), 10)) == {("delivered", ""): 3})


def test_an_idle_connection_that_the_server_closed_is_replaced(config):
    class Closes(Connection):
        def request(self, stream_id):
            self.answer(stream_id)
            if self.number == 1:
                self.goaway(stream_id, reason=b'{"reason":"IdleTimeout"}')
                self.transport.close()

    with channel_to(config, Closes) as (channel, server):
        assert kinds(channel.send(messages(1), 60)) == {("delivered", ""): 1}
        wait_until(lambda: server.connections[0].transport.is_closing())
        assert kinds(channel.send(messages(3), 60)) == {("delivered", ""): 3}
        assert len(server.connections) == 2


@pytest.mark.parametrize("when", ["opened", "request"])
def test_a_server_that_breaks_the_protocol_is_no_crash_and_no_endless_loop(config, when):
    class Garbage(Connection):
        def opened(self):
            if when == "opened":
                self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>what?</html>")

        def request(self, stream_id):
            self.transport.write(b"\x00\xff\xff" + b"garbage" * 100)

    with channel_to(config, Garbage) as (channel, server):
        outcomes = kinds(channel.send(messages(5), 60))
        # A message may have been on the way to each of the connections; the others certainly were not.
        assert set(outcomes) <= {("unknown", "connection_lost"), ("retry", "connection_lost")}
        assert outcomes["retry", "connection_lost"] >= 2
        assert len(server.connections) == 3


def test_connections_that_answer_nothing_are_not_opened_for_ever(config):
    class Barren(Connection):
        def request(self, stream_id):
            self.goaway(0)
            self.transport.close()

    with channel_to(config, Barren) as (channel, server):
        assert kinds(channel.send(messages(5), 60)) == {("retry", "connection_lost"): 5}
        assert len(server.connections) == 3
