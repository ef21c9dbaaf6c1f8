import json
import logging
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.push.channel import CredentialsError
from pipeline.push.channels import Level, build_channels, check_credentials
from pipeline.push.config import PushConfig
from pipeline.push.message import Platform
from pipeline.push.outcome import OutcomeKind
from tests.support.messages import message


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


RSA_PEM = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
P256_PEM = pem(ec.generate_private_key(ec.SECP256R1()))
P384_PEM = pem(ec.generate_private_key(ec.SECP384R1()))
ACCOUNT = {
    "type": "service_account",
    "project_id": "demo-project",
    "private_key_id": "abc",
    "private_key": RSA_PEM,
    "client_email": "push@demo-project.iam.gserviceaccount.com",
    "token_uri": "https://127.0.0.1:1/token",
}


def write(path, text, mode=0o600):
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return str(path)


@pytest.fixture
def account_file(tmp_path):
    return write(tmp_path / "account.json", json.dumps(ACCOUNT))


@pytest.fixture
def key_file(tmp_path):
    return write(tmp_path / "AuthKey_ABCDE12345.p8", P256_PEM)


@pytest.fixture
def config(account_file, key_file):
    return PushConfig(
        fcm_service_account_file=account_file,
        apns_key_file=key_file,
        apns_key_id="ABCDE12345",
        apns_team_id="TEAM123456",
        apns_topic="org.example.app",
    )


def close(channels):
    for channel in channels.values():
        channel.close()


def test_every_platform_has_a_channel(config):
    channels = build_channels(config)
    try:
        assert {platform: channel.name for platform, channel in channels.items()} == {
            Platform.FCM: "fcm",
            Platform.APNS: "apns",
            Platform.CONSOLE: "console",
        }
    finally:
        close(channels)


@pytest.mark.parametrize(
    ("platform", "names"),
    [(Platform.FCM, ["FCM_SERVICE_ACCOUNT_FILE"]), (Platform.APNS, ["APNS_KEY_FILE", "APNS_TOPIC"])],
)
def test_without_credentials_messages_wait_and_the_way_out_is_named(platform, names):
    channels = build_channels(PushConfig())
    outcomes = channels[platform].send([message(platform)] * 2, 1.0)
    assert [(outcome.kind, outcome.code) for outcome in outcomes] == [(OutcomeKind.CHANNEL_DOWN, "not_configured")] * 2
    for name in names:
        assert name in outcomes[0].detail
    close(channels)


def test_the_console_shows_a_message_in_one_log_line_without_its_token(caplog):
    channel = build_channels(PushConfig())[Platform.CONSOLE]
    with caplog.at_level(logging.INFO):
        outcomes = channel.send([message(Platform.CONSOLE)], 1.0)
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.DELIVERED]
    (record,) = caplog.records
    assert record.getMessage() == "push shown"
    assert record.fields == {"platform": "console", "tag": "post-7", "title": "장학금 안내"}


def test_a_dry_run_shows_nothing_on_the_console(caplog):
    with caplog.at_level(logging.INFO):
        build_channels(PushConfig())[Platform.CONSOLE].send([message(Platform.CONSOLE)], 1.0, validate_only=True)
    assert not caplog.records


BAD_ACCOUNTS = {
    "not json": "-----BEGIN",
    "a list": "[]",
    "another kind of file": json.dumps({"type": "authorized_user"}),
    "no project": json.dumps({**ACCOUNT, "project_id": ""}),
    "no key": json.dumps({**ACCOUNT, "private_key": None}),
    "a torn key": json.dumps({**ACCOUNT, "private_key": RSA_PEM[:400]}),
    "the wrong kind of key": json.dumps({**ACCOUNT, "private_key": P256_PEM}),
    "no text": "\udcff",
}


@pytest.mark.parametrize("text", BAD_ACCOUNTS.values(), ids=BAD_ACCOUNTS)
def test_a_bad_service_account_file_is_one_sentence_without_its_contents(tmp_path, text):
    path = tmp_path / "account.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CredentialsError) as caught:
        build_channels(PushConfig(fcm_service_account_file=str(path)))
    assert_clear(caught.value, str(path), text)


BAD_KEYS = {
    "no key": "hello",
    "empty": "",
    "a torn key": P256_PEM[:100],
    "another curve": P384_PEM,
    "another kind of key": RSA_PEM,
}


@pytest.mark.parametrize("text", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_bad_apns_key_file_is_one_sentence_without_its_contents(config, tmp_path, text):
    path = write(tmp_path / "key.p8", text)
    bad = PushConfig(**{**vars(config), "apns_key_file": path})
    with pytest.raises(CredentialsError) as caught:
        build_channels(bad)
    assert_clear(caught.value, path, text)


def assert_clear(error, path, text):
    sentence = str(error)
    assert path in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert error.__cause__ is None
    for line in text.splitlines():
        assert len(line) < 20 or line not in sentence


def test_a_file_that_is_not_there_and_a_folder_in_its_place(tmp_path):
    with pytest.raises(CredentialsError, match="There is no service account file at"):
        build_channels(PushConfig(fcm_service_account_file=str(tmp_path / "missing.json")))
    with pytest.raises(CredentialsError, match="is a folder"):
        build_channels(PushConfig(fcm_service_account_file=str(tmp_path)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(account_file):
    Path(account_file).chmod(0)
    with pytest.raises(CredentialsError, match="may not be read"):
        build_channels(PushConfig(fcm_service_account_file=account_file))


def test_a_bad_ca_file_environment_or_end_point_is_one_sentence(config, tmp_path):
    for changes, words in (
        ({"ca_file": str(tmp_path / "none.pem")}, "CA file"),
        ({"apns_default_environment": "staging"}, "production or sandbox"),
        ({"apns_production_endpoint": "http://x"}, "no https address"),
        ({"apns_sandbox_endpoint": "https://x:99999999"}, "no https address"),
    ):
        with pytest.raises(CredentialsError, match=words):
            build_channels(PushConfig(**{**vars(config), **changes}))


def sentences(config, level):
    return [finding.sentence for finding in check_credentials(config) if finding.level is level]


def test_good_credentials_are_good_in_words(config):
    assert sentences(config, Level.FAIL) == sentences(config, Level.WARN) == []
    good = " ".join(sentences(config, Level.OK))
    assert "demo-project" in good
    assert "P-256" in good


def test_no_credentials_at_all_are_a_warning():
    assert sentences(PushConfig(), Level.FAIL) == []
    assert len(sentences(PushConfig(), Level.WARN)) == 2


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"apns_key_id": "short"}, Level.FAIL, "APNS_KEY_ID"),
        ({"apns_key_id": "ZZZZZ99999"}, Level.FAIL, "ABCDE12345"),
        ({"apns_team_id": "lower12345"}, Level.FAIL, "APNS_TEAM_ID"),
        ({"apns_team_id": ""}, Level.FAIL, "APNS_TEAM_ID is not set"),
        ({"apns_topic": "app"}, Level.FAIL, "APNS_TOPIC"),
        ({"fcm_service_account_file": "/nowhere/x.json"}, Level.FAIL, "There is no service account file"),
        ({"ca_file": "/nowhere/ca.pem"}, Level.FAIL, "CA file"),
    ],
)
def test_what_is_wrong_is_said_in_words(config, changes, level, words):
    assert any(words in sentence for sentence in sentences(PushConfig(**{**vars(config), **changes}), level))


def test_a_key_that_others_can_read_is_a_warning(config):
    Path(config.apns_key_file).chmod(0o644)
    assert any("chmod 600" in sentence for sentence in sentences(config, Level.WARN))


def test_a_service_account_of_another_project_is_a_warning(config, tmp_path):
    stranger = {**ACCOUNT, "client_email": "push@other-project.iam.gserviceaccount.com"}
    path = write(tmp_path / "stranger.json", json.dumps(stranger))
    warnings = sentences(PushConfig(**{**vars(config), "fcm_service_account_file": path}), Level.WARN)
    assert any("other-project" in sentence and "demo-project" in sentence for sentence in warnings)
