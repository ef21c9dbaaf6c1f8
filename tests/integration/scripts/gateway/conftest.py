from collections.abc import Callable, Iterator

import pytest

from scripts.gateway.process import GatewayProcess
from tests.integration.scripts.gateway.clients import APNsClient, FCMClient


@pytest.fixture
def fcm(gateway: GatewayProcess) -> FCMClient:
    """A client with an access token."""
    return FCMClient(gateway.environment())


@pytest.fixture
def connect(gateway: GatewayProcess) -> Iterator[Callable[..., APNsClient]]:
    """Opens APNs connections, which are closed at the end."""
    opened: list[APNsClient] = []

    def connect(*, sandbox: bool = False, alpn: str | None = "h2") -> APNsClient:
        opened.append(APNsClient(gateway.environment(), sandbox=sandbox, alpn=alpn))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()
