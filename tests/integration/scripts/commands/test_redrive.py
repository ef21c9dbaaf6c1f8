"""The commands that ask again for what was given up, or give up what is owed."""

from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, update

from pipeline.upkeep import sweeping
from scripts.cli import main
from storage.models import Notification, Post
from storage.session import Database
from tests.integration.pipeline.upkeep.test_sweeping import Queues, owed, sent


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    opened = Database(database_url)
    yield opened
    opened.close()


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return done


def test_failed_notifications_are_sent_for_again(database: Database) -> None:
    keys = owed(database, {"status": "failed", "reason": "BadDeviceToken", "attempts": 5}, {"status": "sent"})
    assert "1 failed" in run("notifications", "retry").output
    queues = Queues()
    sweeping.send_due(database, queues.broker())
    assert sent(queues) == keys[:1]


def test_pending_notifications_are_given_up(database: Database) -> None:
    owed(database, {"enqueued_at": None}, {"status": "sent"})
    assert "1 pending" in run("notifications", "drop", "--yes").output
    queues = Queues()
    sweeping.send_due(database, queues.broker())
    assert sent(queues) == []
    with database.reading() as session:
        assert sorted(session.scalars(select(Notification.status))) == ["sent", "skipped"]


def test_a_post_is_fanned_out_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ((post, _),) = owed(database, {"status": "sent"})
    enqueued: list[int] = []
    monkeypatch.setattr("pipeline.tasks.fanout.enqueue_fan_outs", enqueued.extend)
    with database.writing() as session:
        session.execute(update(Post).values(fanout_cursor=99))
    run("posts", "refan", str(post))
    assert enqueued == [post]
    with database.reading() as session:
        found = session.get_one(Post, post)
        assert (found.fanout, found.fanout_cursor) == ("ready", 0)


@pytest.mark.parametrize("answer", ["n\n", ""], ids=["no", "nobody is there"])
def test_giving_up_asks_first_and_names_the_count(database: Database, answer: str) -> None:
    owed(database, {"enqueued_at": None}, {"status": "sent"})
    done = CliRunner().invoke(main, ["notifications", "drop"], input=answer)
    assert done.exit_code == 1
    assert "Give up 1 pending notifications" in done.output
    assert "--yes" in done.output
    with database.reading() as session:
        assert sorted(session.scalars(select(Notification.status))) == ["pending", "sent"]
