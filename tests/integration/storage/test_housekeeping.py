import logging
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from pipeline.upkeep import housekeeping
from storage import users
from storage.models import Device
from storage.session import Database
from tests.support.builders import NOW, add_site, add_user, found, stored_posts


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    at = [NOW]
    monkeypatch.setattr(housekeeping, "now", lambda: at[0])
    return at


def disabled(database: Database) -> dict[str, str | None]:
    with database.reading() as session:
        return {device.token: device.disabled_reason for device in session.scalars(select(Device))}


def test_a_device_unseen_for_270_days_is_disabled_until_it_comes_back(database, at):
    with database.writing() as session:
        user = add_user(session, "minji", platform="fcm")
        add_user(session, "sora", platform="console")
        user_id = user.id
    at[0] = NOW + timedelta(days=270)
    assert housekeeping.expire_devices(database, days=270) == 0
    at[0] += timedelta(seconds=1)
    assert housekeeping.expire_devices(database, days=270) == 1
    assert housekeeping.expire_devices(database, days=270) == 0
    assert disabled(database) == {"token-of-minji": "unseen for 270 days", "token-of-sora": None}
    with database.writing() as session:
        users.register_device(session, user_id, platform="fcm", token="token-of-minji", environment=None, now=at[0])
    assert housekeeping.expire_devices(database, days=270) == 0
    assert disabled(database)["token-of-minji"] is None


def test_a_day_is_summed_up_once(database, redis, at, caplog):
    caplog.set_level(logging.INFO)
    with database.writing() as session:
        site = add_site(session)
        stored_posts(session, site, [found(1), found(2)])
        site.trouble = "broken"
    at[0] = NOW + timedelta(hours=1)
    assert housekeeping.sum_up_day(database, redis, zone=ZoneInfo("Asia/Seoul"))
    assert not housekeeping.sum_up_day(database, redis, zone=ZoneInfo("Asia/Seoul"))
    # 24:00 in Seoul is 15:00 UTC.
    at[0] = NOW.replace(hour=15)
    assert housekeeping.sum_up_day(database, redis, zone=ZoneInfo("Asia/Seoul"))
    lines = [record.fields for record in caplog.records if record.message == "daily summary"]  # type: ignore[attr-defined]
    assert len(lines) == 2
    assert lines[0] == {"sites": 1, "in_trouble": 1, "held": 0, "posts": 2, "delivered": 0, "failed": 0, "pending": 0}
