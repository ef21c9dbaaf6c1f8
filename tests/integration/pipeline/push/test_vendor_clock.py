import socket
from dataclasses import replace

from pipeline.push.channels import Level
from scripts.checks.vendor_clock import check_clock


def test_the_clock_of_one_machine_agrees_with_itself(config):
    finding = check_clock(config)

    assert finding.level is Level.OK
    assert "right to within" in finding.sentence


def test_without_an_answer_the_clock_is_not_checked(config):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert check_clock(replace(config, fcm_endpoint=f"https://127.0.0.1:{port}")).level is Level.WARN
    assert check_clock(replace(config, ca_file="/nowhere/ca.pem")).level is Level.FAIL
