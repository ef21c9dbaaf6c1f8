"""How many connections to Redis the real processes hold, and whose each is."""

import re
import time
from collections import Counter

import pytest
import redis

from pipeline.celery import create_app
from pipeline.settings import get_settings
from scripts.checks.services import CONNECTIONS
from tests.acceptance.installation import PROCESSES
from tests.acceptance.test_drills import expect_everybody_served_once, prepare

FORMS = {
    "apart": (None, CONNECTIONS),
    "one": ("python -m pipeline.worker.launch worker -B -n one@%h", 10),
    "together": ("python -m scripts.cli start --together --no-demo", CONNECTIONS),
}


def held(client: redis.Redis) -> Counter[str]:
    """How many connections each process holds, by the names that they gave themselves; ours has none."""
    names = [str(each["name"]) for each in client.client_list()]
    return Counter(re.sub(r"^crawlpush:(.+):\w+$", r"\1", name) for name in names if name)


@pytest.mark.parametrize("form", FORMS)
def test_a_cheap_redis_has_room_for_all_of_them_once_the_work_is_done(sqlite_installation, form):
    command, most = FORMS[form]
    installation = sqlite_installation
    prepare(installation)
    # At rest as a deployment is
    installation.environment |= {"SWEEP_S": "30", "TICK_S": "15"}
    if command is None:
        installation.start()
    else:
        installation.start_command("all", command)
    expect_everybody_served_once(installation)
    with redis.Redis.from_url(installation.redis.url) as client:
        # What many threads needed at once is closed again, while the processes go on
        installation.wait_until(lambda: held(client).total() <= most, "few connections")
        # Most of the time, that is: a tick of beat may have several threads ask at once
        looks = [held(client) for _ in range(51) if time.sleep(0.1) is None]
        assert sorted(look.total() for look in looks)[25] <= most
        expected = {"crawler+dispatcher+notifier"} if form == "one" else set(PROCESSES)
        # Inside a worker beat has the worker's connections
        assert expected - (set() if form == "apart" else {"beat"}) in [set(look) for look in looks]


def test_workers_hear_of_each_other_and_of_revoked_tasks_as_before(sqlite_installation):
    installation = sqlite_installation
    prepare(installation)
    installation.start("dispatcher", "notifier")
    installation.wait_until_ready_on("fanout_tasks", "notify_tasks")
    app = create_app(get_settings())
    app.conf.broker_url = installation.redis.url
    task = "00000000-0000-4000-8000-000000000001"
    installation.wait_until(lambda: len(app.control.ping(timeout=5)) == 2, "the answers of both")
    app.control.revoke(task)

    def revoked() -> set[str]:
        answers = app.control.inspect(timeout=3).revoked() or {}
        return {node.partition("@")[0] for node, tasks in answers.items() if task in tasks}

    installation.wait_until(lambda: revoked() == {"dispatcher", "notifier"}, "both to know it")

    # One that starts later learns it from the others
    installation.terminate("notifier")
    installation.start("notifier")
    installation.wait_until(lambda: revoked() == {"dispatcher", "notifier"}, "the new one to know it")
    app.close()
