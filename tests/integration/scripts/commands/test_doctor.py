"""`crawlpush doctor` where everything, or nothing, is there; with workers it is in tests/acceptance."""

import json
from collections.abc import Callable

import pytest
import redis
from cryptography.fernet import Fernet

from pipeline.secret_files import exposed_files
from pipeline.settings import get_settings
from scripts.commands import doctor
from scripts.local.embedded_redis import free_port
from storage import site_sessions
from storage.session import Database
from tests.support.builders import NOW, add_site
from tests.support.cli import crawlpush

Said = dict[str, list[tuple[str, str]]]
"""Check -> (level, sentence) of each finding."""


@pytest.fixture
def set_up(database_url: str, redis_url: str, configure: Callable[..., None]) -> Callable[..., Said]:
    """Run the doctor with some settings changed."""

    def run(**settings: str) -> Said:
        configure(**{"DATABASE_URL": database_url, "REDIS_URL": redis_url, **settings})
        result = crawlpush("doctor", "--json", "--no-clock", "--wait", "0.2", code=1)
        said: Said = {}
        for row in json.loads(result.stdout):
            said.setdefault(row["check"], []).append((row["level"], row["sentence"]))
        return said

    return run


def test_the_doctor_looks_at_everything_and_names_each_queue_that_nobody_reads(set_up, redis_url):
    said = set_up()
    assert {level for level, _ in said["database"] + said["clocks"] + said["visibility"]} == {"ok"}
    assert ("ok", "a full Redis refuses (maxmemory-policy noeviction)") in said["redis"]
    for (level, sentence), (queue, process) in zip(
        said["queues"],
        [("crawl_tasks", "crawler"), ("fanout_tasks", "dispatcher"), ("notify_tasks", "notifier")],
        strict=True,
    ):
        assert level == "fail"
        assert sentence.startswith(f"{queue}: no worker reads it")
        assert f"the Procfile's {process}" in sentence
    assert said["beat"][0][0] == "fail"
    assert set(said) >= {"settings", "contact", "credentials", "disk"}
    assert said["sessions"] == [("ok", "no site wants a login")]
    assert said["synonyms"] == [("ok", "no SYNONYMS_FILE: nothing is found by another name")]
    with redis.Redis.from_url(redis_url) as client:
        assert list(client.scan_iter("crawlpush:debug:*")) == []


def test_a_login_without_its_key_is_found(set_up, database_url):
    database = Database(database_url)
    key = Fernet.generate_key()
    with database.writing() as session:
        site = add_site(session, "members", params={"login_url": "https://a.example/l"})
        cookies = Fernet(key).encrypt(b"[]").decode()
        site_sessions.note(session, site.id, cookies=cookies, refused=False, now=NOW)
    database.close()
    levels = {"": "fail", "short": "fail", key.decode(): "ok", Fernet.generate_key().decode(): "warn"}
    for session_key, level in levels.items():
        ((found, sentence),) = set_up(SESSION_KEY=session_key)["sessions"]
        assert (found, "members" in sentence) == (level, True)


def test_a_redis_that_would_throw_messages_away_is_found(set_up, redis_url):
    with redis.Redis.from_url(redis_url) as client:
        before = client.config_get("maxmemory*")
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            said = set_up()
        finally:
            for name in ("maxmemory", "maxmemory-policy"):
                client.config_set(name, before[name])
    assert any(level == "fail" and "maxmemory-policy noeviction" in sentence for level, sentence in said["redis"])


def test_whatever_is_away_is_said_in_words_and_the_rest_is_looked_at(set_up):
    said = set_up(
        DATABASE_URL=f"postgresql://me:hunter2@127.0.0.1:{free_port()}/nowhere",
        REDIS_URL=f"redis://:hunter2@127.0.0.1:{free_port()}/0",
    )
    for check in ("database", "redis", "queues", "beat"):
        assert [level for level, _ in said[check]] == ["fail"], said[check]
    assert said["clocks"]
    assert said["disk"][0][0] != "fail"
    assert "hunter2" not in json.dumps(said)
    assert "report this" not in json.dumps(said)


def test_wrong_settings_are_all_that_is_said(monkeypatch):
    monkeypatch.setenv("CRAWL_CONCURRENCY", "many")
    assert crawlpush("doctor", code=1).output.startswith("fail  CRAWL_CONCURRENCY")


def test_a_check_that_breaks_is_a_finding_and_hides_no_other(monkeypatch):
    def broken(_: object) -> list[object]:
        raise RuntimeError("a secret")

    findings = list(doctor.examine(get_settings(), {"first": broken, "contact": doctor._contact}))  # type: ignore[dict-item]
    assert [(name, finding.level.value) for name, finding in findings] == [("first", "fail"), ("contact", "ok")]
    assert "a secret" not in findings[0][1].sentence


def test_a_check_that_may_not_read_a_file_names_it(tmp_path):
    def refused(_: object) -> list[object]:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    ((_, finding),) = doctor.examine(get_settings(), {"disk": refused})  # type: ignore[dict-item]
    assert f"the check of the disk could not be made ({tmp_path}: Permission denied" in finding.sentence
    assert "report this" not in finding.sentence


def test_a_secret_that_others_may_read_is_found_unless_its_folder_is_closed(tmp_path, configure):
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o755)
    dotenv, key = folder / "crawlpush.env", folder / "AuthKey.p8"
    dotenv.write_text("CRAWL_CONTACT=me\n")
    key.write_text("key")
    dotenv.chmod(0o644)
    key.chmod(0o600)
    configure(ENV_FILE=str(dotenv), APNS_KEY_FILE=str(key))
    (exposed,) = exposed_files(get_settings())
    assert exposed.sentence == f"{dotenv} may be read by other users (mode 644); run: chmod 600 {dotenv}"
    folder.chmod(0o700)
    assert exposed_files(get_settings()) == []
