"""The HTTP/2 connection against servers that do what the gateway is too well-behaved for."""

import asyncio
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from pipeline.push.apns import http2
from pipeline.push.apns.compat import h2, hyperframe
from pipeline.push.channels import build_channels
from pipeline.push.message import Platform
from tests.integration.pipeline.push.scripted_server import Connection, scripted_server
from tests.support.messages import kinds, numbered
from tests.support.waiting import wait_until

messages = partial(numbered, Platform.APNS)


@contextmanager
def channel_to(config, script):
    with scripted_server(config, script) as server:
        channel = build_channels(replace(config, apns_production_endpoint=server.url))[Platform.APNS]
        try:
            yield channel, server
        finally:
            channel.close()


def test_before_the_first_answer_there_is_one_stream_and_then_there_are_many(config):
    alone = []

    class Slow(Connection):
        max_streams = 500

        def opened(self):
            self.held = []

        def request(self, stream_id):
            if stream_id == 1:
                asyncio.get_running_loop().call_later(0.1, self.first)
                return
            self.held.append(stream_id)
            if len(self.held) == 49:
                for held in self.held:
                    self.answer(held)

        def first(self):
            alone.append(len(self.bodies))
            self.answer(1)

    with channel_to(config, Slow) as (channel, _):
        assert kinds(channel.send(messages(50), 60)) == {("delivered", ""): 50}

    assert alone == [1]


def test_answers_that_follow_a_goaway_still_count(config):
    class GoesAway(Connection):
        max_streams = 100

        def opened(self):
            self.waiting = []

        def request(self, stream_id):
            if self.number > 1 or stream_id == 1:
                self.answer(stream_id)
                return
            self.waiting.append(stream_id)
            if stream_id == 21:
                # Accepted up to 11; these are answered after the GOAWAY, the others never.
                self.goaway(11, reason=b'{"reason":"Shutdown"}')
                for accepted in self.waiting:
                    if accepted <= 11:
                        self.answer(accepted)

    with channel_to(config, GoesAway) as (channel, server):
        assert kinds(channel.send(messages(11), 60)) == {("delivered", ""): 11}

    first = [stream for number, stream, _ in server.requests if number == 1]
    second = [body for number, _, body in server.requests if number == 2]
    assert max(first) == 21
    assert len(second) == 5  # exactly those above last-stream-id: 13, 15, 17, 19, 21


def test_a_polite_goaway_before_the_end_loses_nothing(config):
    class Polite(Connection):
        max_streams = 100

        def request(self, stream_id):
            if self.number == 1 and stream_id == 21:
                self.goaway(2**31 - 1)
            self.answer(stream_id)

    with channel_to(config, Polite) as (channel, server):
        assert kinds(channel.send(messages(40), 60)) == {("delivered", ""): 40}
        assert kinds(channel.send(messages(10), 60)) == {("delivered", ""): 10}
        assert len(server.connections) == 2
    assert len(server.requests) == 50


def test_a_connection_that_closes_without_goaway_leaves_unknowns(config):
    class Dies(Connection):
        max_streams = 10

        def request(self, stream_id):
            if self.number == 1 and stream_id == 21:
                self.transport.abort()
            elif self.number > 1 or stream_id < 11:
                self.answer(stream_id)

    with channel_to(config, Dies) as (channel, server):
        outcomes = kinds(channel.send(messages(30), 60))
    unknown = outcomes.pop(("unknown", "connection_lost"))
    assert outcomes == {("delivered", ""): 30 - unknown}
    # Nothing that may have been handled was sent twice.
    assert max(Counter(body for _, _, body in server.requests).values()) <= 30
    assert len(server.requests) <= 30
    assert 1 <= unknown <= 10


def test_settings_that_change_on_the_way_are_kept(config):
    open_now = set()
    most_after = []

    class Shrinks(Connection):
        max_streams = 50

        def opened(self):
            self.held = []
            self.shrunk = False

        def request(self, stream_id):
            if stream_id < 61:
                self.answer(stream_id)
                return
            if not self.shrunk:
                self.shrunk = True
                self.change_settings(max_streams=2, initial_window=100)
            open_now.add(stream_id)
            if stream_id > 200:
                most_after.append(len(open_now))
            open_now.discard(stream_id)
            self.answer(stream_id)

    batch = messages(200, body="x" * 700)
    with channel_to(config, Shrinks) as (channel, server):
        assert kinds(channel.send(batch, 60)) == {("delivered", ""): 200}

    assert len(server.requests) == 200
    # A window of 100 bytes takes a body in many pieces, and none is lost on the way.
    assert {len(body) for _, _, body in server.requests} == {len(server.requests[0][2])}
    assert max(most_after) <= 2


def test_a_server_that_allows_no_stream_for_a_while_is_waited_for(config):
    class Opens(Connection):
        max_streams = 0

        def opened(self):
            self.server.first = self

    with channel_to(config, Opens) as (channel, server):
        result = []
        thread = threading.Thread(target=lambda: result.extend(channel.send(messages(3), 60)))
        thread.start()
        wait_until(lambda: hasattr(server, "first"))
        call_in_server(server, lambda: server.first.change_settings(max_streams=10))
        thread.join(60)
    assert kinds(result) == {("delivered", ""): 3}


def test_late_frames_for_finished_streams_do_not_end_the_connection(config):
    class Untidy(Connection):
        max_streams = 10

        def request(self, stream_id):
            self.answer(stream_id)
            update = hyperframe.frame.WindowUpdateFrame(stream_id)
            update.window_increment = 1000
            self.frame(update)
            reset = hyperframe.frame.RstStreamFrame(stream_id)
            reset.error_code = 0
            self.frame(reset)

    with channel_to(config, Untidy) as (channel, server):
        for _ in range(3):
            assert kinds(channel.send(messages(20), 60)) == {("delivered", ""): 20}
        assert len(server.connections) == 1


def test_answers_that_come_after_the_deadline_do_not_end_the_connection(config):
    class Late(Connection):
        max_streams = 100

        def opened(self):
            self.held = []

        def request(self, stream_id):
            if len(self.server.requests) == 2:
                self.held.append(stream_id)
                return
            for held in self.held:
                # Raw: our own h2 knows that the client has reset the stream.
                self.frame(raw_headers(self, held))
                data = hyperframe.frame.DataFrame(held)
                data.data = b'{"reason":"late"}'
                data.flags.add("END_STREAM")
                self.frame(data)
            self.held.clear()
            self.answer(stream_id)

    with channel_to(config, Late) as (channel, server):
        assert kinds(channel.send(messages(1), 60)) == {("delivered", ""): 1}
        assert kinds(channel.send(messages(1), 2)) == {("unknown", "timeout"): 1}
        assert kinds(channel.send(messages(20), 60)) == {("delivered", ""): 20}
        assert len(server.connections) == 1


def raw_headers(connection, stream_id):
    frame = hyperframe.frame.HeadersFrame(stream_id)
    frame.data = connection.h2.encoder.encode([(":status", "410"), ("x-new", "kept in step")])
    frame.flags.add("END_HEADERS")
    return frame


def test_an_answer_before_the_request_is_complete_counts(config):
    class Hasty(Connection):
        initial_window = 10

        def started(self, stream_id, headers):
            self.answer(stream_id, 413, b'{"reason":"PayloadTooLarge"}')

        def data_received(self, data):
            try:
                super().data_received(data)
            except (KeyError, h2.exceptions.ProtocolError):
                self.flush()  # the rest of a request that was answered early

    with channel_to(config, Hasty) as (channel, _):
        assert kinds(channel.send(messages(3), 60)) == {("rejected", "PayloadTooLarge"): 3}


def test_an_answer_without_end_is_cut_off_at_the_deadline(config):
    class Endless(Connection):
        def request(self, stream_id):
            self.h2.send_headers(stream_id, [(":status", "500")])
            self.h2.send_data(stream_id, b"x" * 10_000)

    with channel_to(config, Endless) as (channel, _):
        started = time.monotonic()
        # Its connection is made in this time, too.
        assert kinds(channel.send(messages(1), 5)) == {("unknown", "timeout"): 1}
        assert time.monotonic() - started < 30


def test_an_old_connection_is_replaced_before_its_stream_ids_run_out(config, monkeypatch):
    monkeypatch.setattr(http2, "MAX_REQUESTS", 10)

    class Many(Connection):
        max_streams = 100

    with channel_to(config, Many) as (channel, server):
        assert kinds(channel.send(messages(35), 60)) == {("delivered", ""): 35}
        assert len(server.connections) == 4


def call_in_server(server, function):
    """Run a function on the server's event loop."""
    server.connections[0].transport._loop.call_soon_threadsafe(function)
