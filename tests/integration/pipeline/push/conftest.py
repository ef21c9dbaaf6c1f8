from contextlib import ExitStack
from dataclasses import replace

import pytest

from pipeline.push.apns import environment
from pipeline.push.channels import build_channels
from pipeline.push.config import PushConfig
from pipeline.push.fcm import access_token, http1
from pipeline.push.message import Platform
from tests.support.waiting import SECONDS


@pytest.fixture(autouse=True)
def _busy_machine(monkeypatch):
    """Patience with what this machine does itself; what a test lets time out it makes impatient again."""
    for module, names in (
        (http1, ("CONNECT_TIMEOUT_S",)),
        (access_token, ("FETCH_TIMEOUT_S",)),
        (environment, ("CONNECT_TIMEOUT_S", "PING_TIMEOUT_S", "STALL_S")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, SECONDS)


@pytest.fixture
def config(gateway):
    return push_config(gateway)


def push_config(gateway):
    """The settings that point the product to a gateway."""
    named = {name.lower(): value for name, value in gateway.environment().items()}
    return PushConfig(ca_file=named.pop("push_ca_file"), **named)


@pytest.fixture
def open_channel(config):
    """Builds the channel of a platform, also with other settings, and closes it with the test."""
    with ExitStack() as opened:

        def build(platform, *, store=None, **changes):
            channels = build_channels(replace(config, **changes), store)
            for channel in channels.values():
                opened.callback(channel.close)
            return channels[platform]

        yield build


@pytest.fixture
def fcm(open_channel):
    return open_channel(Platform.FCM)


@pytest.fixture
def apns(open_channel):
    return open_channel(Platform.APNS)
