from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from storage import claims, inbox, notifications, outcomes, outgoing
from storage.claims import Claimed
from storage.dialect import is_sqlite
from storage.matching import Hit
from storage.models import Delivery, Device, Keyword, Notification, User
from storage.notifications import Key, Slice
from storage.outcomes import DeliveryRecord, NotificationRecord
from storage.session import Database
from tests.support.builders import NOW, add_site, add_user, found, stored_posts
from tests.support.statements import counted

LEASE = NOW + timedelta(minutes=1)
AFTER_LEASE = LEASE + timedelta(seconds=1)


def a_post_with_readers(session: Session, count: int) -> tuple[int, Hit]:
    site = add_site(session)
    for number in range(count):
        add_user(session, f"user-{number}", "장학")
    (post_id,) = stored_posts(session, site, [found(1, "장학")])
    ids = list(session.scalars(select(Keyword.id)))
    return post_id, Hit(site_id=site.id, title_ids=ids, all_ids=ids, match_body=False)


def create(session: Session, post_id: int, hit: Hit, *, after: int = 0, size: int = 100) -> Slice:
    return notifications.create_slice(session, post_id, hit, after=after, size=size, now=NOW)


def owed(session: Session, count: int) -> list[Key]:
    post_id, hit = a_post_with_readers(session, count)
    return [(post_id, user_id) for user_id in create(session, post_id, hit).users]


def claim(session: Session, keys: Sequence[Key], *, token: str = "mine", now: object = NOW) -> list[Claimed]:
    return claims.claim(session, keys, token=token, now=now, lease_until=now + timedelta(minutes=1))  # type: ignore[arg-type,operator]


def record(
    session: Session, claimed: Sequence[Claimed], status: str, *, token: str = "mine", **values: object
) -> set[int]:
    return outcomes.record(
        session,
        token=token,
        notifications=[NotificationRecord(id=n.id, status=status, **values) for n in claimed],  # type: ignore[arg-type]
        deliveries=[],
        now=NOW,
    )


def test_a_slice_takes_the_next_users_and_says_where_to_go_on(session: Session) -> None:
    post_id, hit = a_post_with_readers(session, 5)
    everybody = sorted(session.scalars(select(User.id)))
    first = create(session, post_id, hit, size=3)
    second = create(session, post_id, hit, after=first.cursor, size=3)
    assert [*first.users, *second.users] == everybody
    assert (first.more, second.more, first.matched, second.matched) == (True, False, 3, 2)


def test_a_slice_done_again_sends_only_for_those_who_still_wait(session: Session) -> None:
    post_id, hit = a_post_with_readers(session, 4)
    users = create(session, post_id, hit).users
    record(session, claim(session, [(post_id, users[0])]), "sent")
    claim(session, [(post_id, users[1])])
    again = create(session, post_id, hit)
    rows = session.scalar(select(func.count()).select_from(Notification))
    assert (list(again.users), rows) == (list(users[2:]), 4)


def test_two_fan_outs_of_one_post_at_once_make_each_notification_once(database: Database) -> None:
    with database.writing() as session:
        post_id, hit = a_post_with_readers(session, 60)

    def fan_out(size: int) -> None:
        cursor, more = 0, True
        while more:
            with database.writing() as session:
                part = create(session, post_id, hit, after=cursor, size=size)
            cursor, more = part.cursor, part.more

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fan_out, (7, 11)))
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Notification)) == 60


def test_a_slice_takes_three_statements_whatever_its_size(session: Session) -> None:
    # On PostgreSQL a fourth says how the others are to be planned.
    usual = 3 if is_sqlite(session) else 4
    post_id, hit = a_post_with_readers(session, 40)
    for size in (1, 30):
        with counted(session) as statements:
            assert len(create(session, post_id, hit, after=size, size=size).users) == min(size, 40 - size)
        assert len(statements) == usual


def test_a_slice_in_which_nobody_matches_is_passed_over_and_the_next_one_goes_on(session: Session) -> None:
    post_id, hit = a_post_with_readers(session, 6)
    everybody = sorted(session.scalars(select(User.id)))
    session.execute(update(User).where(User.id.in_(everybody[:4])).values(paused=True))
    first = create(session, post_id, hit, size=2)
    assert (list(first.users), first.matched, first.more) == ([], 0, True)
    seen: list[int] = []
    cursor, more = first.cursor, first.more
    while more:
        part = create(session, post_id, hit, after=cursor, size=2)
        seen += part.users
        cursor, more = part.cursor, part.more
    assert seen == everybody[4:]


def test_a_notification_is_claimed_once(session: Session) -> None:
    keys = owed(session, 3)
    assert len(claim(session, keys)) == 3
    assert claim(session, keys, token="other") == []


def test_senders_at_once_claim_each_notification_once(database: Database) -> None:
    with database.writing() as session:
        keys = owed(session, 80)

    def take(number: int) -> list[int]:
        taken = []
        for start in range(0, 80, 10):
            batch = keys[start : start + 20][:: 1 if number % 2 else -1]
            with database.writing() as session:
                taken += [n.id for n in claim(session, batch, token=f"sender-{number}")]
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [n for part in pool.map(take, range(4)) for n in part]
    assert sorted(taken) == sorted(set(taken))
    assert len(taken) == 80


def test_a_claim_whose_lease_ended_goes_to_the_next_and_the_late_record_is_dropped(session: Session) -> None:
    keys = owed(session, 1)
    late = claim(session, keys, token="late")
    assert claim(session, keys, token="next", now=AFTER_LEASE)
    assert record(session, late, "failed", token="late") == set()
    assert len(record(session, late, "sent", token="next")) == 1
    assert session.scalars(select(Notification.status)).one() == "sent"


def test_a_notification_that_waits_is_not_claimed_before_its_time(session: Session) -> None:
    keys = owed(session, 1)
    record(session, claim(session, keys), "pending", next_attempt_at=LEASE)
    assert claim(session, keys) == []
    assert claim(session, keys, now=AFTER_LEASE)


def test_waiting_for_a_paused_channel_is_no_attempt(session: Session) -> None:
    keys = owed(session, 1)
    record(session, claim(session, keys), "pending", next_attempt_at=NOW, counts=False)
    (again,) = claim(session, keys)
    assert again.attempts == 1


def test_targets_leave_out_what_is_done_and_what_is_disabled(session: Session) -> None:
    keys = owed(session, 1)
    (device,) = session.scalars(select(Device)).all()
    others = [
        Device(user_id=device.user_id, platform=p, token="t", created_at=NOW, last_seen_at=NOW) for p in ("fcm", "apns")
    ]
    others[1].disabled_at = NOW
    session.add_all(others)
    (notification,) = claim(session, keys)
    assert [t.platform for t in outgoing.targets(session, [notification.id])] == ["console", "fcm"]
    done = DeliveryRecord(
        notification_id=notification.id, device_id=device.id, platform="console", status="delivered", attempts=1
    )
    again = DeliveryRecord(
        notification_id=notification.id, device_id=others[0].id, platform="fcm", status="retry", attempts=2
    )
    pending = NotificationRecord(id=notification.id, status="pending", next_attempt_at=NOW)
    outcomes.record(session, token="mine", notifications=[pending], deliveries=[done, again], now=NOW)
    (notification,) = claim(session, keys)
    assert notification.reached
    assert [(t.platform, t.attempts) for t in outgoing.targets(session, [notification.id])] == [("fcm", 2)]


def test_the_badge_counts_what_is_unread_and_this_one(session: Session) -> None:
    site = add_site(session)
    user = add_user(session, "minji", "장학")
    badges = []
    ids = list(session.scalars(select(Keyword.id)))
    hit = Hit(site_id=site.id, title_ids=ids, all_ids=ids, match_body=False)
    for number in range(3):
        (post_id,) = stored_posts(session, site, [found(number)])
        create(session, post_id, hit)
        claimed = claim(session, [(post_id, user.id)])
        badges.append(claimed[0].badge)
        record(session, claimed, "sent")
        if number == 1:
            inbox.mark_read(session, user.id, now=NOW)
    assert badges == [1, 2, 1]


def test_what_is_owed_and_has_no_message_is_found(session: Session) -> None:
    keys = owed(session, 4)
    retry, dead, lost, waiting = keys
    record(session, claim(session, [retry]), "pending", next_attempt_at=NOW)
    claim(session, [dead])
    lost_row = session.scalars(select(Notification).where(Notification.user_id == lost[1])).one()
    lost_row.enqueued_at = NOW - timedelta(hours=1)
    session.flush()
    epoch = NOW - timedelta(days=1)
    assert notifications.due(session, now=NOW, lost_before=epoch, limit=10) == [retry]
    assert notifications.due(session, now=NOW, lost_before=NOW, limit=10) == [lost]
    late = notifications.due(session, now=AFTER_LEASE, lost_before=AFTER_LEASE, limit=10)
    assert set(late) == {retry, dead, lost, waiting}


def test_failed_notifications_are_sent_again_on_demand(session: Session) -> None:
    keys = owed(session, 2)
    record(session, claim(session, keys[:1]), "failed", reason="UNREGISTERED")
    record(session, claim(session, keys[1:]), "sent")
    assert notifications.redrive(session, now=NOW) == 1
    assert notifications.due(session, now=NOW, lost_before=NOW, limit=10) == [keys[0]]


def test_a_batch_is_claimed_loaded_and_recorded_in_a_fixed_number_of_statements(database: Database) -> None:
    numbers = {}
    for count in (1, 50):
        with database.writing() as session:
            for table in (Delivery, Notification, User, Keyword):
                session.execute(table.__table__.delete())  # type: ignore[attr-defined]
            from storage.models import Site

            session.execute(Site.__table__.delete())  # type: ignore[attr-defined]
            keys = owed(session, count)
            with counted(session) as statements:
                claimed = claim(session, keys)
                targets = outgoing.targets(session, [n.id for n in claimed])
                outcomes.record(
                    session,
                    token="mine",
                    notifications=[NotificationRecord(id=n.id, status="sent") for n in claimed],
                    deliveries=[
                        DeliveryRecord(
                            notification_id=t.notification_id,
                            device_id=t.device_id,
                            platform=t.platform,
                            status="delivered",
                            attempts=1,
                        )
                        for t in targets
                    ],
                    now=NOW,
                )
            assert len(targets) == count
            numbers[count] = len(statements)
    assert numbers[50] == numbers[1] <= 6


def test_what_is_due_within_a_moment_is_due_because_no_two_clocks_are_the_same(session: Session) -> None:
    keys = owed(session, 1)
    session.execute(update(Notification).values(next_attempt_at=NOW + timedelta(seconds=0.3)))
    assert len(claim(session, keys)) == 1


def test_what_a_clock_ahead_wrote_is_brought_back(session: Session) -> None:
    tomorrow, lease = NOW + timedelta(days=1), timedelta(minutes=1)
    waiting, leased, enqueued, held, well = owed(session, 5)
    claim(session, [leased])
    for (_, user_id), values in (
        (waiting, {"next_attempt_at": tomorrow}),
        (leased, {"lease_until": tomorrow}),
        (enqueued, {"enqueued_at": tomorrow}),
        (held, {"next_attempt_at": tomorrow, "waits_for": "pause push"}),
        (well, {"next_attempt_at": NOW + timedelta(minutes=66)}),
    ):
        session.execute(update(Notification).where(Notification.user_id == user_id).values(values))
    assert notifications.bring_back(session, now=NOW, lease=lease) == 3
    assert notifications.bring_back(session, now=NOW, lease=lease) == 0
    later = NOW + 2 * lease
    due = notifications.due(session, now=later, lost_before=later, limit=9)
    assert due == sorted([waiting, leased, enqueued])
