"""Which addresses a crawl may connect to."""

import pytest

from spiders.child.download import PrivateAddressError, is_public, refuse_private_addresses

PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "localhost",
        "",
    ],
)
def test_not_public(address: str) -> None:
    assert not is_public(address)


def test_the_reactor_is_asked_only_for_public_addresses() -> None:
    class Reactor:
        def __init__(self) -> None:
            self.connected: list[tuple[str, int]] = []

        def connectTCP(self, host: str, port: int, *_: object, **__: object) -> None:  # noqa: N802 - Twisted's name
            self.connected.append((host, port))

    reactor = Reactor()
    refuse_private_addresses(reactor)
    reactor.connectTCP("8.8.8.8", 80, None, timeout=3)
    with pytest.raises(PrivateAddressError, match=r"192\.168\.1\.1 is not an address of the public internet"):
        reactor.connectTCP("192.168.1.1", 80, None)
    assert reactor.connected == [("8.8.8.8", 80)]
