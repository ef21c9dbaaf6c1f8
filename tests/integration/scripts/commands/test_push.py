"""`crawlpush push test`, `doctor push`, `sites push` and `channels resume`, against the loopback gateway."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from pipeline.resources import now
from scripts.gateway.process import GatewayProcess
from storage import channels, users
from storage.models import Site
from storage.session import Database
from tests.support.builders import add_site
from tests.support.cli import crawlpush

TOKEN = "fcm-registration-token-of-minji"


@pytest.fixture
def gateway(gateway: GatewayProcess, configure: Callable[..., None]) -> GatewayProcess:
    configure(**gateway.environment())
    return gateway


@pytest.fixture
def database_url(sqlite_url: str, redis_url: str, configure: Callable[..., None]) -> str:
    configure(DATABASE_URL=sqlite_url, REDIS_URL=redis_url)
    return sqlite_url


def add_devices(database: Database, *platforms: str) -> None:
    with database.writing() as session:
        user = users.add(session, "minji", timezone="UTC", now=now())
        for platform in platforms:
            token = "ab" * 32 if platform == "apns" else TOKEN
            users.register_device(session, user.id, platform=platform, token=token, environment=None, now=now())


def test_one_message_to_each_device_of_a_user(database, gateway):
    add_devices(database, "fcm", "apns")
    said = crawlpush("push", "test", "--user", "minji", "--title", "시험").output
    assert "fcm fcm-…ji: accepted as projects/" in said
    assert "apns abab…ab: accepted by the production environment as " in said
    assert {phone["shown"][0]["title"] for phone in gateway.phones()} == {"시험"}
    assert TOKEN not in said
    assert "ab" * 32 not in said


def test_a_dry_run_is_checked_and_not_shown(database, gateway):
    said = crawlpush("push", "test", "--token", TOKEN, "--platform", "fcm", "--dry-run").output
    assert "checked only, not shown" in said
    assert gateway.phones() == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("UNREGISTERED", "will never work again"),
        ("UNAUTHENTICATED", "crawlpush doctor push"),
        ("UNAVAILABLE", "would be tried again"),
    ],
)
def test_a_refusal_is_said_in_words_with_the_vendors_code(database, gateway, code, words):
    gateway.set_faults(refuse=[code])
    said = crawlpush("push", "test", "--token", TOKEN, "--platform", "fcm", code=1).output
    assert words in said
    assert code in said
    assert TOKEN not in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "either --user, or --token"),
        (("--user", "minji", "--token", "x"), "either --user, or --token"),
        (("--token", "x"), "--token needs --platform"),
        (("--token", "x", "--platform", "fcm", "--environment", "sandbox"), "is about APNs"),
        (("--user", "minji", "--platform", "fcm"), "belong to --token"),
    ],
)
def test_whom_to_send_to_is_said_once(arguments, sentence):
    assert sentence in crawlpush("push", "test", *arguments, code=2).output


def test_a_user_without_a_device_that_works(database):
    add_devices(database)
    assert "crawlpush devices list --user minji" in crawlpush("push", "test", "--user", "minji", code=1).output


def test_a_doctor_finds_good_credentials_good(gateway):
    lines = crawlpush("doctor", "push").output.splitlines()
    assert lines
    assert all(line.startswith("ok ") for line in lines), lines
    assert any("clock" in line for line in lines)


def test_a_doctor_says_what_is_wrong_and_what_to_do(gateway, monkeypatch, tmp_path):
    bad = tmp_path / "account.json"
    bad.write_text("{}")
    bad.chmod(0o644)
    monkeypatch.setenv("FCM_SERVICE_ACCOUNT_FILE", str(bad))
    monkeypatch.setenv("APNS_KEY_ID", "short")
    said = crawlpush("doctor", "push", "--no-clock", code=1).output
    assert "fail  The file" in said
    assert "chmod 600" in said
    assert "APNS_KEY_ID is 'short'" in said


def test_a_doctor_warns_of_what_is_not_set_up():
    said = crawlpush("doctor", "push", "--no-clock").output
    assert "warn  FCM is not set up" in said
    assert "warn  APNs is not set up" in said


def test_a_sites_messages_are_changed_shown_and_reset(database):
    with database.writing() as session:
        add_site(session)
    said = crawlpush(
        "sites", "push", "board", "--title-template", "[{site}] {title}", "--no-badge", "--data", "kind={site}"
    )
    assert "[board] 장학금 신청 안내" in said.output
    shown = json.loads(crawlpush("sites", "push", "board", "--json").stdout)
    assert (shown["title_template"], shown["badge"], shown["data"]) == ("[{site}] {title}", False, {"kind": "{site}"})
    # A change leaves the rest as it is
    crawlpush("sites", "push", "board", "--sound", "")
    with database.reading() as session:
        column = session.scalars(select(Site.push)).one()
    assert column == {"title": "[{site}] {title}", "badge": False, "data": {"kind": "{site}"}, "sound": ""}
    crawlpush("sites", "push", "board", "--reset")
    with database.reading() as session:
        assert session.scalars(select(Site.push)).one() == {}


def test_an_unknown_placeholder_is_refused_by_name_and_changes_nothing(database):
    with database.writing() as session:
        add_site(session)
    said = crawlpush("sites", "push", "board", "--body-template", "{headline}", code=1).output
    assert "body: there is no placeholder {headline}: use {title}" in said
    with database.reading() as session:
        assert session.scalars(select(Site.push)).one() == {}


def test_a_paused_channel_is_shown_with_its_reason_and_opened_by_hand(database):
    with database.writing() as session:
        until = now() + timedelta(minutes=1)
        channels.pause(session, "fcm", code="UNAUTHENTICATED", reason="check the clock", now=now(), until=until)
    rows = {row["channel"]: row for row in json.loads(crawlpush("channels", "list", "--json").stdout)}
    assert (rows["fcm"]["state"], rows["fcm"]["code"]) == ("paused", "UNAUTHENTICATED")
    assert rows["apns"]["state"] == "open"
    said = crawlpush("status", code=1).output
    assert "channel fcm is paused" in said
    assert "check the clock" in said
    assert "fcm is open; 0 notifications waited" in crawlpush("channels", "resume", "fcm").output
    assert "it was not paused" in crawlpush("channels", "resume", "fcm").output
