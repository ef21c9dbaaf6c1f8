"""What the pages of operators ask the database for, on both kinds of it."""

from datetime import UTC, datetime, timedelta

from storage import operators, overview, posts
from storage.models import Delivery, Device, Notification
from storage.session import Database
from tests.support.builders import a_post, add_site, add_user

T = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_link_is_taken_once_and_what_is_over_goes(database_url: str) -> None:
    database = Database(database_url)
    for number, kind in enumerate(("link", "session")):
        with database.writing() as session:
            expires = T + timedelta(minutes=10 + number)
            operators.add_secret(session, hashed=kind, kind=kind, operator="minji", now=T, expires_at=expires)
    late = T + timedelta(minutes=10)
    with database.writing() as session:
        assert operators.take_secret(session, "link", "link", now=late) is None
        assert operators.take_secret(session, "link", "session", now=T) is None
        assert operators.take_secret(session, "link", "link", now=T) == "minji"
        assert operators.take_secret(session, "link", "link", now=T) is None
        assert operators.operator_of(session, "session", "session", now=late) == "minji"
        operators.add_secret(session, hashed="x", kind="link", operator="x", now=late + timedelta(days=1), expires_at=T)
        assert operators.operator_of(session, "session", "session", now=T) is None
    database.close()


def test_a_change_is_on_record_before_it_ends(database_url: str) -> None:
    database = Database(database_url)
    for name in ("one", "two"):
        with database.writing() as session:
            number = operators.begin_change(session, operator="minji", what=name, command=name, now=T)
    with database.writing() as session:
        operators.end_change(session, number, outcome="done")
    with database.reading() as session:
        newest, oldest = operators.changes(session, limit=9)
        assert [(row.what, row.outcome) for row in (newest, oldest)] == [("two", "done"), ("one", None)]
        assert [row.what for row in operators.changes(session, limit=9, before=newest.id)] == ["one"]
    database.close()


def test_what_happened_is_counted_in_its_step_and_nothing_outside(database_url: str) -> None:
    database = Database(database_url)
    edges = [T + timedelta(minutes=5 * step) for step in range(4)]
    with database.writing() as session:
        site = add_site(session, "board")
        user = add_user(session, "minji", platform="console")
        device = session.query(Device).filter_by(user_id=user.id).first()
        for number, minute in enumerate((-1, 0, 4.9, 5, 14.9, 15)):
            at = T + timedelta(minutes=minute)
            post = a_post(site.id, str(number), first_seen_at=at, fanout="held")
            session.add(post)
            session.flush()
            row = Notification(post_id=post.id, user_id=user.id, created_at=at, next_attempt_at=at)
            session.add(row)
            session.flush()
            status = "delivered" if number % 2 else "failed"
            session.add(Delivery(notification_id=row.id, device_id=device.id, platform="fcm", status=status, at=at))
    with database.reading() as session:
        seen, pushes = overview.by_step(session, edges)
        assert seen == [2, 1, 1]
        assert pushes == [{"delivered": 1, "failed": 1}, {"delivered": 1}, {"failed": 1}]
        assert [post.external_id for post in posts.held(session, site.id, limit=2)] == ["0", "1"]
    database.close()
