from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.push.channels import Level, build_channels
from pipeline.push.message import Platform
from scripts.checks.vendor_clock import check_clock
from scripts.local.embedded_redis import free_port
from tests.support.messages import message


def test_the_clock_of_one_machine_agrees_with_itself(config):
    finding = check_clock(config)
    assert finding.level is Level.OK
    assert "right to within" in finding.sentence


def test_without_an_answer_the_clock_is_not_checked(config):
    assert check_clock(replace(config, fcm_endpoint=f"https://127.0.0.1:{free_port()}")).level is Level.WARN
    assert check_clock(replace(config, ca_file="/nowhere/ca.pem")).level is Level.FAIL


@pytest.mark.parametrize(
    ("platform", "refused"), [(Platform.FCM, "credentials_refused"), (Platform.APNS, "ExpiredProviderToken")]
)
def test_credentials_are_signed_by_the_clock_of_the_fleet(config, platform, refused):
    """A day's error of one machine would pause the channel for all of them."""
    wrong = datetime.now(UTC) - timedelta(days=1)
    codes = []
    # Given the clock that channels are built with, right the second time
    for now in (lambda: wrong, lambda: datetime.now(UTC)):
        channels = build_channels(config, now=now)
        (outcome,) = channels[platform].send([message(platform)], 60)
        codes.append(outcome.code)
        for channel in channels.values():
            channel.close()
    assert codes == [refused, ""]
