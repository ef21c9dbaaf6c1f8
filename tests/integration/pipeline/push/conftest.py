import pytest

from pipeline.push.channels import build_channels
from pipeline.push.config import PushConfig
from pipeline.push.message import Platform
from scripts.gateway.process import gateway_process


@pytest.fixture(scope="package")
def shared_gateway():
    with gateway_process() as gateway:
        yield gateway


@pytest.fixture
def gateway(shared_gateway):
    """A loopback FCM and APNs that has received nothing and fails nothing."""
    shared_gateway.reset()
    yield shared_gateway
    shared_gateway.reset()


@pytest.fixture
def config(gateway):
    return push_config(gateway)


def push_config(gateway):
    """The settings that point the product to a gateway."""
    named = {name.lower(): value for name, value in gateway.environment().items()}
    return PushConfig(ca_file=named.pop("push_ca_file"), **named)


@pytest.fixture
def fcm(config):
    yield from _channel(config, Platform.FCM)


@pytest.fixture
def apns(config):
    yield from _channel(config, Platform.APNS)


def _channel(config, platform):
    channels = build_channels(config)
    yield channels[platform]
    for channel in channels.values():
        channel.close()
