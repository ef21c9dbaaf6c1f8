"""`crawlpush drill`: whatever goes wrong, each phone shows each post once."""

import json
import subprocess
import sys
from typing import Any

import pytest

from scripts.local.embedded_postgres import find_postgres
from scripts.local.embedded_redis import find_server
from tests.acceptance.installation import ROOT
from tests.support.services import require

BROKEN = ("lost", "shown_twice", "sent_to_others", "posts_missed", "overlaps", "unexplained")


def drill(*options: str) -> dict[str, Any]:
    """What a drill found; the journal of one that broke a promise is the failure's message."""
    require(find_server() is not None, "a redis-server")
    done = subprocess.run(
        [sys.executable, "-c", "from scripts.cli import main; main()", "drill", "--json", *options],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-8000:]}"
    found: dict[str, Any] = json.loads(done.stdout)
    assert {name: found[name] for name in BROKEN} == dict.fromkeys(BROKEN, 0)
    return found


@pytest.mark.timeout(400)
def test_a_short_drill_loses_nothing_and_shows_nothing_twice() -> None:
    found = drill("--seed", "1", "--minutes", "0.35")
    assert found["notifications"] > 1000
    assert found["kills"] >= 3
    assert found["redis_losses"] >= 1
    assert found["database_losses"] >= 1


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_longer_drill_on_postgresql() -> None:
    require(find_postgres() is not None, "PostgreSQL")
    found = drill("--seed", "2", "--database", "postgres", "--users", "1000", "--posts", "30", "--minutes", "2")
    assert found["notifications"] > 5000
    # Of the plan's kills, those that found their victim.
    assert found["kills"] >= 6
    assert found["database_losses"] >= 1
