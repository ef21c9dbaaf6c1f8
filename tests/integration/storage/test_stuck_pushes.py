"""A vendor that takes nothing for minutes is told from one that fails now and then."""

from datetime import UTC, datetime, timedelta

import pytest

from storage import overview
from storage.models import Delivery, Device, Notification
from storage.session import Database
from tests.support.builders import add_site, add_user, found, stored_posts

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SINCE = NOW - overview.STUCK_FOR


@pytest.mark.parametrize(
    ("pushes", "stuck"),
    [
        ([], {}),
        ([("fcm", "delivered", 1, 1), ("fcm", "retry", 9, 1)], {}),
        ([("fcm", "retry", 1, 1), ("fcm", "retry", 2, 1)], {}),
        ([("fcm", "retry", 3, 1), ("fcm", "retry", 1, 1), ("apns", "delivered", 1, 1)], {"fcm": 1}),
        ([("fcm", "retry", 3, 1), ("fcm", "failed", 1, 1), ("apns", "retry", 5, 2)], {"fcm": 1, "apns": 1}),
        # What went through long ago says nothing of now; what was tried long ago neither.
        ([("fcm", "retry", 3, 1), ("fcm", "delivered", 1, 60)], {"fcm": 1}),
        ([("fcm", "retry", 3, 60)], {}),
    ],
)
def test_platforms_over_which_nothing_goes_through(
    database: Database, pushes: list[tuple[str, str, int, int]], stuck: dict[str, int]
) -> None:
    with database.writing() as session:
        (post_id,) = stored_posts(session, add_site(session), [found(1)])
        for number, (platform, status, attempts, minutes) in enumerate(pushes):
            user = add_user(session, f"u{number}")
            device = Device(
                user_id=user.id, platform=platform, token=f"token {number}", created_at=NOW, last_seen_at=NOW
            )
            row = Notification(post_id=post_id, user_id=user.id, status="pending", created_at=NOW, next_attempt_at=NOW)
            session.add_all((device, row))
            session.flush()
            session.add(
                Delivery(
                    notification_id=row.id, device_id=device.id, platform=platform, status=status, attempts=attempts,
                    at=NOW - timedelta(minutes=minutes),
                )
            )  # fmt: skip
        session.flush()
        assert overview.stuck_pushes(session, SINCE) == stuck
