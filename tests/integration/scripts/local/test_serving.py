import socket

import pytest

from scripts.local.serving import ServingError, listen, port_of


def test_the_usual_port_gives_way_when_it_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = port_of(taken)
        with listen(None, port) as other:
            assert port_of(other) not in (0, port)
        with pytest.raises(ServingError, match=f"Port {port} cannot be used"):
            listen(port, 0)


def test_it_listens_on_loopback_alone() -> None:
    with listen(0, 0) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"
