import pytest

from pipeline.settings import Settings
from scripts.commands.config import shown


@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        ("database_url", "postgresql://me:hunter2@host:1/db?password=hunter2", "postgresql://…@host:1/db?…"),
        ("broker_url", "amqp://me:hunter2@a//;amqp://me:hunter2@b//", "amqp://…@a//;amqp://…@b//"),
        ("redis_url", "rediss://:hunter2@host:6380/0", "rediss://…@host:6380/0"),
        ("sentry_dsn", "https://hunter2@sentry.example/1", "…"),
        ("alert_urls", "slack://hunter2/b/c", "…"),
        ("sentry_dsn", "", ""),
        ("tick_s", 3, 3),
    ],
)
def test_what_is_shown_of_a_setting_holds_no_secret(name: str, value: object, seen: object) -> None:
    assert shown(name, Settings.model_validate({name: value})) == seen
