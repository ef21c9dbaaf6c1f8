"""`crawlpush drill`: whatever goes wrong, each phone shows each post once."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from scripts.drill.kinds import Kind
from scripts.drill.view import PROMISES
from scripts.local.embedded_postgres import find_postgres
from scripts.local.embedded_redis import find_server
from tests.acceptance.installation import ROOT
from tests.support.services import require


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
    assert {name: found[name] for name in PROMISES} == dict.fromkeys(PROMISES, 0)
    return found


def test_what_can_go_wrong_is_listed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from scripts.cli import main; main()", "drill", "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(re.search(rf"^{kind} ", done.stdout, re.MULTILINE) for kind in Kind)


def test_a_short_drill_loses_nothing_and_shows_nothing_twice() -> None:
    found = drill("--seed", "1", "--minutes", "0.1", "--users", "100", "--posts", "6")
    assert found["notifications"] > 100
    assert found["faults"]["kill"] >= 3
    assert found["answers"]["right"] > 10


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("database", "seed"), [("postgres", "2"), ("sqlite", "3")])
def test_a_longer_drill(database: str, seed: str) -> None:
    require(database == "sqlite" or find_postgres() is not None, "PostgreSQL")
    found = drill("--seed", seed, "--database", database, "--users", "1000", "--posts", "15", "--minutes", "1")
    assert found["notifications"] > 2500
    # Of the plan's faults, those that found their victim.
    assert found["faults"]["kill"] >= 3
    assert found["faults"]["database"] >= 1
    assert found["answers"]["right"] > 50
