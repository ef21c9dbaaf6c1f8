import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pipeline.upkeep import retention as pipeline_retention
from pipeline.upkeep.retention import prunable, prune
from storage import claims, crawl_runs, notifications, posts, retention, subscriptions
from storage.matching import Hit
from storage.models import CrawlRun, Delivery, Keyword, Notification, Post, Subscription, User
from storage.retention import Moments
from storage.session import Database
from tests.support.builders import NOW, add_site, add_user, found, keyword, stored_posts, subscribe

AFTER = NOW + timedelta(hours=1)


def moments(at: datetime = AFTER, *, texts: bool = True, deliveries: datetime | None = None) -> Moments:
    return Moments(runs=at, notifications=at, deliveries=deliveries or at, texts=at if texts else None)


def count(session: Session, table: type) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def a_history(session: Session) -> None:
    site = add_site(session)
    for number in range(4):
        add_user(session, f"user-{number}", "장학")
    (post_id,) = stored_posts(session, site, [found(1, "장학", body="신청하세요", author="학생처")])
    hit = Hit(site_id=site.id, title_ids=[1], all_ids=[1], match_body=False)
    notifications.create_slice(session, post_id, hit, after=0, size=10, now=NOW)
    for row, status in zip(
        session.scalars(select(Notification)), ("sent", "failed", "skipped", "pending"), strict=True
    ):
        row.status = status
        device = session.scalars(select(User).where(User.id == row.user_id)).one().id
        session.add(Delivery(notification_id=row.id, device_id=device, platform="console", status="delivered", at=NOW))
    session.scalars(select(Post)).one().fanout = "done"


def test_what_is_over_goes_and_what_is_owed_stays(database):
    with database.writing() as session:
        a_history(session)
    would = prunable(database, moments())
    assert prune(database, moments()) == would
    assert (would.notifications, would.deliveries, would.post_texts, would.keywords, would.runs) == (3, 3, 1, 0, 0)
    with database.reading() as session:
        assert session.scalars(select(Notification.status)).all() == ["pending"]
        assert count(session, Delivery) == 1
    nothing = prune(database, moments())
    assert set(vars(nothing).values()) == {0}


def test_what_is_young_stays(database):
    with database.writing() as session:
        a_history(session)
    assert set(vars(prune(database, moments(NOW - timedelta(days=1)))).values()) == {0}


@pytest.mark.parametrize("batch", [2, 1000])
def test_what_was_delivered_goes_before_its_notification(database, monkeypatch, batch):
    monkeypatch.setattr(pipeline_retention, "BATCH", batch)
    young = NOW + timedelta(days=1)
    # (notification, delivery, when) -> whether the delivery goes. What is tried again has a younger time than its id.
    cases = [
        ("sent", "delivered", young, False),
        ("sent", "delivered", NOW, True),
        ("sent", "failed", NOW, False),
        # Sent again by an operator, it must not ring on the phone that has it.
        ("failed", "delivered", NOW, False),
        # One of its user's phones is still owed.
        ("pending", "delivered", NOW, False),
        ("sent", "delivered", NOW, True),
        ("sent", "delivered", young, False),
    ]
    with database.writing() as session:
        (post_id,) = stored_posts(session, add_site(session), [found(1, "장학")])
        for number, (status, delivery, at, _) in enumerate(cases):
            user = add_user(session, f"user-{number}", "장학")
            owed = {"created_at": NOW, "next_attempt_at": NOW}
            session.add(Notification(id=number + 1, post_id=post_id, user_id=user.id, status=status, **owed))
            session.flush()
            row = {"notification_id": number + 1, "device_id": user.id, "platform": "console"}
            session.add(Delivery(id=number + 1, status=delivery, at=at, **row))
            session.flush()
    old = moments(NOW - timedelta(days=1), deliveries=AFTER)
    would = prunable(database, old)
    assert prune(database, old) == would
    assert (would.notifications, would.deliveries) == (0, 2)
    with database.reading() as session:
        stayed = session.scalars(select(Delivery.id).order_by(Delivery.id)).all()
    assert stayed == [number + 1 for number, case in enumerate(cases) if not case[3]]
    assert prune(database, old).deliveries == 0


def test_a_post_whose_text_was_emptied_is_not_new_again(database):
    with database.writing() as session:
        a_history(session)
    prune(database, moments())
    with database.writing() as session:
        post = session.scalars(select(Post)).one()
        assert (post.title, post.body, post.author) == ("장학", "", "")
        again = [found(1, "장학", body="신청하세요", author="학생처")]
        assert posts.store(session, site_id=post.site_id, run_id=post.run_id, found=again, now=AFTER) == 0
        session.refresh(post)
        assert (post.body, post.fanout) == ("", "done")


def test_texts_are_kept_unless_that_is_wanted(database):
    with database.writing() as session:
        a_history(session)
    assert prune(database, moments(texts=False)).post_texts == 0


def test_the_runs_that_say_what_is_usual_stay(database):
    with database.writing() as session:
        site = add_site(session)
        for _ in range(crawl_runs.HISTORY_RUNS + 5):
            stored_posts(session, site, [found(1)])
        newest = list(session.scalars(select(CrawlRun.id).order_by(CrawlRun.id)))[5:]
    assert prunable(database, moments()).runs == prune(database, moments()).runs == 5
    with database.reading() as session:
        assert session.scalars(select(CrawlRun.id).order_by(CrawlRun.id)).all() == newest
        assert session.scalars(select(Post.run_id)).all() == [None]


def test_phrases_that_nobody_uses_go_and_come_back_under_another_id(database):
    with database.writing() as session:
        user = add_user(session, "minji", "장학")
        subscribe(session, user, "신청", exclude=[keyword("마감")])
        unused = subscriptions.keyword_ids(session, [keyword("혼자")])[keyword("혼자")]
        before = subscriptions.keywords_version(session)
    assert prunable(database, moments()).keywords == prune(database, moments()).keywords == 1
    with database.writing() as session:
        assert {text for _, text, _ in subscriptions.keywords(session)} == {"장학", "신청", "마감"}
        assert subscriptions.keywords_version(session) != before
        assert subscriptions.keyword_ids(session, [keyword("다른")])[keyword("다른")] > unused


def test_a_phrase_that_is_subscribed_to_at_this_moment_stays(postgres_url):
    database = Database(postgres_url)
    with database.writing() as session:
        user_id = add_user(session, "minji").id
        subscriptions.keyword_ids(session, [keyword("장학"), keyword("혼자")])
    with database.writing() as session:
        (key,) = subscriptions.keyword_ids(session, [keyword("장학")]).values()
        # Retention runs in between: it passes the locked phrase over, and takes the other.
        assert prune(database, moments()).keywords == 1
        session.add(Subscription(user_id=user_id, keyword_id=key, created_at=NOW))
    with database.reading() as session:
        assert session.scalars(select(Keyword.text)).all() == ["장학"]
    database.close()


def test_when_the_foreign_key_decides_against_retention_it_goes_on(database, monkeypatch):
    with database.writing() as session:
        subscriptions.keyword_ids(session, [keyword("장학"), keyword("혼자")])
    real, failed = retention.remove_keywords, threading.Event()

    def once(*arguments: object, **options: object) -> tuple[int, int | None]:
        if not failed.is_set():
            failed.set()
            raise IntegrityError("", {}, Exception())
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline_retention.retention, "remove_keywords", once)
    assert prune(database, moments()).keywords == 2


def test_more_than_a_batch_is_removed_batch_by_batch(database, monkeypatch):
    monkeypatch.setattr(pipeline_retention, "BATCH", 2)
    with database.writing() as session:
        a_history(session)
        subscriptions.keyword_ids(session, [keyword(f"phrase{n}") for n in range(7)])
    removed = prune(database, moments())
    assert (removed.notifications, removed.keywords) == (3, 7)


def test_a_notification_that_is_claimed_is_left_alone(database):
    with database.writing() as session:
        a_history(session)
        key = session.execute(
            select(Notification.post_id, Notification.user_id).where(Notification.status == "pending")
        ).one()
        assert claims.claim(session, [tuple(key)], token="t", now=NOW, lease_until=AFTER)
    prune(database, moments())
    with database.reading() as session:
        assert session.scalars(select(Notification.status)).all() == ["sending"]
