"""`crawlpush doctor` beside the processes of the Procfile."""

import json

import pytest

from tests.acceptance.installation import Installation


# Every day without workers: tests/integration/scripts/commands/test_doctor.py
@pytest.mark.full
def test_a_healthy_installation_passes_and_a_queue_whose_worker_died_is_named(sqlite_installation):
    installation = sqlite_installation
    installation.start()
    installation.wait_until_ready()
    installation.wait_until(lambda: _levels(installation)["beat"] == {"ok"}, "beat's heartbeat")
    installation.command("doctor", "--no-clock", "--wait", "60", code=0)
    assert _levels(installation)["queues"] == {"ok"}

    installation.kill("notifier")
    found = json.loads(installation.command("doctor", "--json", "--no-clock", "--wait", "20", code=1))
    said = {row["sentence"].partition(":")[0]: row for row in found if row["check"] == "queues"}
    assert {queue: row["level"] for queue, row in said.items()} == {
        "crawl_tasks": "ok",
        "fanout_tasks": "ok",
        "notify_tasks": "fail",
    }
    assert "notifier" in said["notify_tasks"]["sentence"]


def _levels(installation: Installation) -> dict[str, set[str]]:
    levels: dict[str, set[str]] = {}
    for row in json.loads(installation.command("doctor", "--json", "--no-clock", "--wait", "60", code=None)):
        levels.setdefault(row["check"], set()).add(row["level"])
    return levels
