"""The commands that ask again for what was given up, or give up what is owed."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from pipeline.resources import now
from pipeline.upkeep import sweeping
from storage.models import Notification, Post
from tests.integration.pipeline.upkeep.test_sweeping import Queues, owed, sent
from tests.support.builders import add_site, add_user, found, stored_posts
from tests.support.cli import crawlpush


@pytest.fixture(autouse=True)
def _settings(database_url: str, configure: Callable[..., None]) -> None:
    configure(DATABASE_URL=database_url)


def test_failed_notifications_are_sent_for_again(database):
    keys = owed(database, {"status": "failed", "reason": "BadDeviceToken", "attempts": 5}, {"status": "sent"})
    assert "1 failed" in crawlpush("notifications", "retry", "--yes").output
    queues = Queues()
    sweeping.send_due(database, queues.broker())
    assert sent(queues) == keys[:1]


def test_pending_notifications_are_given_up(database):
    owed(database, {"enqueued_at": None}, {"status": "sent"})
    assert "1 pending" in crawlpush("notifications", "drop", "--yes").output
    queues = Queues()
    sweeping.send_due(database, queues.broker())
    assert sent(queues) == []
    with database.reading() as session:
        assert sorted(session.scalars(select(Notification.status))) == ["sent", "skipped"]


def test_a_post_is_fanned_out_again(database, monkeypatch):
    ((post, _),) = owed(database, {"status": "sent"})
    enqueued: list[int] = []
    monkeypatch.setattr("pipeline.tasks.fanout.enqueue_fan_outs", enqueued.extend)
    with database.writing() as session:
        session.execute(update(Post).values(fanout_cursor=99))
    crawlpush("posts", "refan", str(post))
    assert enqueued == [post]
    with database.reading() as session:
        found = session.get_one(Post, post)
        assert (found.fanout, found.fanout_cursor) == ("ready", 0)


@pytest.mark.parametrize(
    ("words", "answer", "code", "said"),
    [
        ([], "n\n", 1, "Give up 1 pending notifications of all users?"),
        ([], "", 1, "--yes does it without a question"),
        (["--dry-run"], "", 0, "this would give up 1 pending notifications of all users; nothing was done"),
        (["--dry-run", "--yes"], "", 0, "nothing was done"),
        (["--json"], "", 1, "Nobody is asked where --json is given"),
    ],
    ids=["no", "nobody is there", "dry run", "dry run in a script", "JSON"],
)
def test_giving_up_asks_first_and_names_the_count(database, words, answer, code, said):
    owed(database, {"enqueued_at": None}, {"status": "sent"})
    assert said in crawlpush("notifications", "drop", *words, input=answer, code=code).output
    with database.reading() as session:
        assert sorted(session.scalars(select(Notification.status))) == ["pending", "sent"]


@pytest.mark.parametrize(
    ("words", "dropped"),
    [
        ([], ["minji 1", "minji 2", "sora 1", "sora 2"]),
        (["--user", "minji"], ["minji 1", "minji 2"]),
        (["--site", "one"], ["minji 1", "sora 1"]),
        (["--user", "minji", "--site", "two"], ["minji 2"]),
        (["--before", "2h"], ["minji 1", "sora 1"]),
        (["--before", "3"], ["minji 1", "minji 2"]),
        (["--before", "30d"], []),
    ],
    ids=" ".join,
)
def test_what_is_given_up_may_be_some_users_sites_or_times(database, words, dropped):
    with database.writing() as session:
        posts = [stored_posts(session, add_site(session, name), [found(1, name)])[0] for name in ("one", "two")]
        people = {add_user(session, name).id: name for name in ("minji", "sora")}
        for user in people:
            for number, post in enumerate(posts):
                at = now() - timedelta(hours=3) + number * timedelta(hours=2)
                owing = Notification(post_id=post, user_id=user, status="pending", created_at=at, next_attempt_at=at)
                session.add(owing)
                session.flush()
    crawlpush("notifications", "drop", "--yes", *words)
    with database.reading() as session:
        skipped = session.scalars(select(Notification).where(Notification.status == "skipped")).all()
        assert sorted(f"{people[row.user_id]} {posts.index(row.post_id) + 1}" for row in skipped) == dropped
