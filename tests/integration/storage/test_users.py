from datetime import time

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pipeline.basics.preferences import Preferences, QuietHours
from storage import notifications, users
from storage.matching import Hit
from storage.models import Device, Notification, Subscription, User
from storage.session import Database
from tests.support.builders import NOW, add_site, add_user, found, stored_posts


def test_a_user_is_added_once(database: Database) -> None:
    with database.writing() as session:
        users.add(session, "minji", timezone="UTC", now=NOW)
    with pytest.raises(users.DuplicateUserError, match="minji"), database.writing() as session:
        users.add(session, "minji", timezone="UTC", now=NOW)


def test_a_token_moves_to_the_user_who_registers_it(session: Session) -> None:
    before, after = add_user(session, "before"), add_user(session, "after")
    device, former = users.register_device(
        session, after.id, platform="console", token="token-of-before", environment=None, now=NOW
    )
    assert (former, device.user_id) == (before.id, after.id)
    assert users.devices(session, user_id=before.id, limit=10) == []


def test_a_disabled_token_is_enabled_by_registering_it_again(session: Session) -> None:
    user = add_user(session, "minji")
    device = session.scalars(select(Device)).one()
    device.disabled_at, device.disabled_reason = NOW, "UNREGISTERED"
    session.flush()
    again, former = users.register_device(
        session, user.id, platform="console", token=device.token, environment=None, now=NOW
    )
    assert (again.id, again.disabled_at, again.disabled_reason, former) == (device.id, None, None, None)


def test_a_refreshed_token_takes_the_place_of_the_old_one(session: Session) -> None:
    add_user(session, "minji")
    device = users.replace_token(session, "console", "token-of-minji", "fresh", now=NOW)
    assert device.token == "fresh"
    with pytest.raises(users.UnknownDeviceError):
        users.replace_token(session, "console", "token-of-minji", "fresher", now=NOW)


@pytest.mark.parametrize("token", ["", "with blank", "토큰", "x" * 2049, "line\nbreak"])
def test_what_is_no_token_is_refused_and_not_repeated_in_the_error(database: Database, token: str) -> None:
    def register() -> None:
        with database.writing() as session:
            user = users.add(session, "minji", timezone="UTC", now=NOW)
            users.register_device(session, user.id, platform="fcm", token=token, environment=None, now=NOW)

    with pytest.raises(users.DeviceError) as error:
        register()
    assert not token or token not in str(error.value)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(User)) == 0


def test_the_repr_of_a_device_hides_its_token(session: Session) -> None:
    add_user(session, "minji")
    assert "token-of" not in repr(session.scalars(select(Device)).one())


def test_forgetting_a_user_leaves_nothing_of_theirs(session: Session) -> None:
    site = add_site(session)
    add_user(session, "minji", "장학")
    (post_id,) = stored_posts(session, site, [found(1)])
    hit = Hit(site_id=site.id, title_ids=[1], all_ids=[1], match_body=False)
    notifications.create_slice(session, post_id, hit, after=0, size=10, now=NOW)
    users.forget(session, "minji")
    left = [session.scalar(select(func.count()).select_from(t)) for t in (User, Device, Subscription, Notification)]
    assert left == [0, 0, 0, 0]


def test_what_a_user_wants_is_kept_and_nothing_said_is_null(database: Database) -> None:
    wanted = Preferences(quiet=(QuietHours(start=time(22), end=time(8)),), digests=(time(8),))
    with database.writing() as session:
        for name, said in (("minji", wanted.to_json()), ("jaeho", None)):
            user = add_user(session, name, "snow")
            user.preferences, user.snooze_until = said, NOW if said else None
    with database.reading() as session:
        minji = users.by_external_id(session, "minji")
        assert minji.preferences is not None
        assert (Preferences.from_json(minji.preferences), minji.snooze_until) == (wanted, NOW)
        assert session.scalars(select(User.external_id).where(User.preferences.is_(None))).all() == ["jaeho"]
        assert session.scalars(select(Subscription.pace)).all() == [None, None]
