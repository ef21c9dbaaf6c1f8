from collections.abc import Callable, Iterator

import pytest

from scripts.gateway.process import GatewayProcess, gateway_process
from tests.integration.scripts.gateway.clients import APNsClient, FCMClient


@pytest.fixture(scope="session")
def _running_gateway() -> Iterator[GatewayProcess]:
    with gateway_process() as gateway:
        yield gateway


@pytest.fixture
def gateway(_running_gateway: GatewayProcess) -> GatewayProcess:
    """A gateway that has received nothing and fails in nothing."""
    _running_gateway.reset()
    return _running_gateway


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
