from datetime import time
from pathlib import Path

import pytest

from pipeline.basics.preferences import Preferences, QuietHours
from pipeline.settings import Settings, SettingsError, load, load_with_origins, unknown_names


def set_environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("CRAWL_CONCURRENCY", "many", "integer"),
        ("CRAWL_CONCURRENCY", "0", "greater than or equal to 1"),
        ("DISPLAY_TIMEZONE", "Asia/Pyongchang", "Asia/Seoul"),
        ("LOG_FORMAT", "xml", "'human' or 'json'"),
        ("FCM_ENDPOINT", "http://plain", "https://HOST"),
        ("APNS_ENVIRONMENT", "staging", "'production' or 'sandbox'"),
        ("CRAWL_HARD_LIMIT_S", "30", "CRAWL_SOFT_LIMIT_S"),
        ("DEFAULT_QUIET_HOURS", "22-8", "22:00-08:00"),
        ("DEFAULT_QUIET_HOURS", "00:00-24:00", "no minute of the week"),
        ("DEFAULT_DIGEST", "8am", "08:00,18:00"),
        ("DEFAULT_DAILY_CAP", "0", "from 1 to 1000"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(monkeypatch, name, value, allowed):
    set_environment(monkeypatch, **{name: value})
    with pytest.raises(SettingsError) as error:
        load()
    assert name in str(error.value)
    assert value in str(error.value)
    assert allowed in str(error.value)


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_a_wrong_url_is_not_repeated_because_it_may_hold_a_password(monkeypatch, name):
    set_environment(monkeypatch, **{name: "mysql://me:hunter2@host/db"})
    with pytest.raises(SettingsError) as error:
        load()
    assert name in str(error.value)
    assert "hunter2" not in str(error.value)


def test_the_repr_holds_no_password(monkeypatch):
    set_environment(monkeypatch, DATABASE_URL="postgres://me:hunter2@host/db", REDIS_URL="rediss://:hunter2@host:6380")
    assert "hunter2" not in repr(load())


def test_every_wrong_value_has_its_line(monkeypatch):
    set_environment(monkeypatch, TICK_S="never", SWEEP_S="always")
    with pytest.raises(SettingsError) as error:
        load()
    assert len(str(error.value).splitlines()) == 2


def test_without_a_database_url_sqlite_lies_in_the_data_folder(monkeypatch, tmp_path):
    set_environment(monkeypatch, DATA_DIR=str(tmp_path))
    assert load().database == f"sqlite:///{tmp_path}/crawlpush.db"


def test_the_environment_goes_before_the_env_file_and_that_before_the_embedded_servers(monkeypatch, tmp_path):
    set_environment(monkeypatch, DATA_DIR=str(tmp_path), ENV_FILE=str(tmp_path / ".env"), LOG_LEVEL="ERROR")
    (tmp_path / "embedded.env").write_text("REDIS_URL=redis://embedded\nTICK_S=5\nLOG_LEVEL=DEBUG\n")
    (tmp_path / ".env").write_text("TICK_S=7\nLOG_LEVEL=WARNING\n")
    settings = load()
    assert (settings.redis_url, settings.tick_s, settings.log_level) == ("redis://embedded", 7, "ERROR")


def test_what_people_have_who_say_nothing_is_a_setting(monkeypatch):
    assert load().default_preferences == Preferences()
    set_environment(
        monkeypatch, DEFAULT_QUIET_HOURS="22:00-8:00", DEFAULT_DIGEST="18:00 8:00", DEFAULT_DAILY_CAP="20/day"
    )
    night = QuietHours(start=time(22), end=time(8))
    assert load().default_preferences == Preferences(quiet=(night,), digests=(time(8), time(18)), daily_cap=20)


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load().log_level = "DEBUG"  # type: ignore[misc]


def test_every_setting_is_described():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_messages_go_through_redis_unless_a_broker_is_named(monkeypatch):
    set_environment(monkeypatch, REDIS_URL="redis://host/1")
    assert load().broker == "redis://host/1"
    set_environment(monkeypatch, BROKER_URL="amqp://guest@host//")
    assert load().broker == "amqp://guest@host//"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqla+sqlite:////tmp/x.db", "a database is no broker"),
        ("sqla+postgresql://host/db", "a database is no broker"),
        ("postgresql://host/db", "a database is no broker"),
        ("db+sqlite:///x.db", "a database is no broker"),
        ("memory://", "each process would have a broker of its own"),
        ("filesystem://", "each process would have a broker of its own"),
        ("http://x", "of the form redis://"),
        ("rediss//oops", "of the form redis://"),
        ("redis://host:port/0", "its port is no number"),
        ("redis://host:99999/0", "its port is no number"),
        ("redis://host/0?visibility_timeout=5", "leave visibility_timeout out"),
        ("amqp://host//;sqla+sqlite:///x", "a database is no broker"),
    ],
)
def test_what_is_no_broker_is_refused_in_a_sentence_without_its_password(monkeypatch, url, words):
    monkeypatch.setenv("BROKER_URL", url)
    with pytest.raises(SettingsError, match=f"^BROKER_URL: that value is not allowed: .*{words}"):
        load()


@pytest.mark.parametrize(
    "url", ["redis://:p@host:1/0", "rediss://host", "amqp://u:p@host:5672//", "amqps://host/v", "amqp://a//;amqp://b//"]
)
def test_brokers(monkeypatch, url):
    monkeypatch.setenv("BROKER_URL", url)
    assert load().broker == url


def test_a_named_env_file_that_is_missing_is_an_error(monkeypatch, tmp_path):
    set_environment(monkeypatch, ENV_FILE=str(tmp_path / "nowhere.env"))
    with pytest.raises(SettingsError, match=r"ENV_FILE names .*nowhere\.env, which is not there"):
        load()


def test_an_env_file_that_cannot_be_read_is_named(monkeypatch, tmp_path):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / ".env"))

    (tmp_path / ".env").touch()
    set_environment(monkeypatch, ENV_FILE=str(tmp_path / ".env"))
    monkeypatch.setattr("pipeline.settings.file_layer", refuse)
    with pytest.raises(SettingsError, match="Permission denied"):
        load()


def test_a_name_that_is_nearly_a_setting_is_told_with_the_nearest(monkeypatch, tmp_path):
    file = tmp_path / ".env"
    file.write_text("FCM_SERVICE_ACOUNT_FILE=x\nexport LOG_LEVEL=info\nFLOWER_ADDRESS=0.0.0.0\npush_ca_file=~/there\n")
    set_environment(monkeypatch, ENV_FILE=str(file))
    assert unknown_names() == [f"{file}: FCM_SERVICE_ACOUNT_FILE is no setting; did you mean FCM_SERVICE_ACCOUNT_FILE?"]
    settings = load()
    assert settings.log_level == "INFO"
    assert settings.push_ca_file == Path.home() / "there"


def test_a_secret_may_come_from_a_file_of_its_own(monkeypatch, tmp_path):
    secret = tmp_path / "redis_url"
    secret.write_text("redis://:hunter2@host/1\n")
    file = tmp_path / ".env"
    file.write_text("SENTRY_DSN=https://key@sentry.example/1\nREDIS_URL=redis://weaker\n")
    set_environment(monkeypatch, ENV_FILE=str(file), REDIS_URL_FILE=str(secret), TICK_S="3")
    settings, origins = load_with_origins()
    assert settings.redis_url == "redis://:hunter2@host/1"
    assert origins["redis_url"] == f"{secret} (REDIS_URL_FILE in the environment)"
    assert (origins["sentry_dsn"], origins["tick_s"]) == (str(file), "the environment")
    assert "sweep_s" not in origins


@pytest.mark.parametrize(
    ("content", "both", "words"),
    [
        (None, False, "is not there"),
        (b"", False, "does not hold a secret"),
        (b"\xff\xfe", False, "does not hold a secret"),
        (b"x" * 70_000, False, "does not hold a secret"),
        (b"redis://host", True, "the environment sets both REDIS_URL and REDIS_URL_FILE"),
        (b"mysql://:hunter2@host", False, "REDIS_URL: that value is not allowed"),
    ],
)
def test_a_secret_file_that_does_not_serve_is_named_and_its_text_is_not(monkeypatch, tmp_path, content, both, words):
    secret = tmp_path / "redis_url"
    if content is not None:
        secret.write_bytes(content)
    set_environment(monkeypatch, REDIS_URL_FILE=str(secret), **({"REDIS_URL": "redis://host"} if both else {}))
    with pytest.raises(SettingsError, match=words) as error:
        load()
    assert "hunter2" not in str(error.value)
