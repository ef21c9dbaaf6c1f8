import socket

import pytest

from pipeline.web.server import PortError, listen


def test_answers_are_not_held_back_for_more_to_come() -> None:
    """asyncio sets TCP_NODELAY only where the protocol is told, and a badge took 60 ms instead of two."""
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_a_port_that_is_taken_is_named_with_the_way_out() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(PortError, match=r"set PORT to another one"):
        listen("127.0.0.1", first.getsockname()[1])
