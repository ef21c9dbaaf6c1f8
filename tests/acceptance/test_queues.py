"""The pipeline on the other broker, and with its queues joined."""

import pytest
from kombu import Connection

from pipeline.broker.publish import publish_many, queue_length
from pipeline.celery import create_app
from pipeline.settings import load
from tests.acceptance.test_drills import (
    READERS,
    a_minute_passes,
    count,
    expect_everybody_served_once,
    prepare,
    wait_for_first_pushes,
)


def test_one_worker_with_beat_does_everything(sqlite_installation):
    prepare(sqlite_installation)
    schedule = sqlite_installation.folder / "schedule"
    sqlite_installation.start_command("all", f"celery -q -A pipeline worker -B -s {schedule} -n all@%h")
    expect_everybody_served_once(sqlite_installation)


@pytest.mark.full
def test_everybody_is_served_once_through_rabbitmq(sqlite_installation, rabbitmq_url, monkeypatch):
    installation = sqlite_installation
    installation.environment["BROKER_URL"] = rabbitmq_url
    monkeypatch.setenv("BROKER_URL", rabbitmq_url)
    app = create_app(load())
    prepare(installation, slice_users=50, latency_ms=50)
    installation.start()
    wait_for_first_pushes(installation)

    # When what waits in the queue is lost
    with Connection(rabbitmq_url) as connection:
        connection.default_channel.queue_purge("notify_tasks")
    a_minute_passes(installation)

    # Then the sweep sees that the queue was empty since, and everybody is served once
    expect_everybody_served_once(installation)
    assert "notify_tasks" in installation.command("status", code=0)

    # And a repeat of everything sends nothing
    sends = installation.sends()
    publish_many(app, "notify_user", [(1, user) for user in range(1, READERS)])
    installation.wait_until(lambda: queue_length(app, "notify_tasks") == 0, "an empty queue")
    assert installation.sends() == sends
    assert count(installation) == READERS
    app.close()
