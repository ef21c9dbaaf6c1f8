"""What migrations do to the rows that are there, on both databases."""

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select, update

from storage.migrate import alembic_config, newest_revision, upgrade
from storage.models import Delivery, Device, Notification, Post, Site, User
from storage.session import Database
from tests.support.builders import NOW

HEX = "ab" * 32
OLD = ("id", "user_id", "platform", "token", "created_at", "last_seen_at")


def test_an_iphone_that_was_kept_twice_is_kept_once_and_what_refers_to_the_others_stays(empty_database_url):
    command.upgrade(alembic_config(empty_database_url), "0004")
    database = Database(empty_database_url)
    tokens = [
        (1, "apns", HEX),
        (2, "apns", HEX.upper()),
        (3, "apns", "CD" * 32),
        (4, "apns", "q83v=Base"),
        (5, "fcm", "AB"),
    ]
    with database.writing() as session:
        session.execute(insert(User).values(id=1, external_id="minji", timezone="UTC", created_at=NOW))
        for number, platform, token in tokens:
            row = dict(zip(OLD, (number, 1, platform, token, NOW, NOW), strict=True))
            session.connection().execute(Device.__table__.insert().values(row))  # type: ignore[attr-defined]
        session.execute(insert(Site).values(id=1, name="board", spider="listing", params={}, push={}, created_at=NOW))
        session.execute(
            insert(Post).values(
                id=1, site_id=1, external_id="1", url="u", title="t", content_hash="h", first_seen_at=NOW
            )
        )
        session.execute(insert(Notification).values(id=1, post_id=1, user_id=1, created_at=NOW, next_attempt_at=NOW))
        for number, platform, _ in tokens:
            values = {"notification_id": 1, "device_id": number, "platform": platform, "status": "delivered", "at": NOW}
            session.execute(insert(Delivery).values(values))
    upgrade(empty_database_url)
    with database.writing() as session:
        kept = {device.id: device.token for device in session.scalars(select(Device))}
        assert kept == {2: HEX, 3: "cd" * 32, 4: "q83v=Base", 5: "AB"}
        assert set(session.scalars(select(Delivery.device_id))) == {2, 3, 4, 5}
        # A road that the database knows nothing of
        session.execute(update(Device).where(Device.id == 5).values(platform="kakao"))
    database.close()


def test_the_newest_revision_is_the_one_that_alembic_finds():
    assert newest_revision() == ScriptDirectory.from_config(alembic_config("sqlite://")).get_current_head()
