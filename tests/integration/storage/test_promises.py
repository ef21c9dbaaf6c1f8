"""Whatever processes do, in whatever order, and wherever they die: the promises of storage hold."""

import shutil
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.storage.promised import Processes

EXAMPLES = {"sqlite": 40, "postgres": 4}
STEPS = 40


def bounds(request: pytest.FixtureRequest, database: str) -> settings:
    times = 4 if request.config.getoption("--full") else 1
    return settings(
        max_examples=EXAMPLES[database] * times,
        stateful_step_count=STEPS,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


@pytest.mark.timeout(900)
def test_everybody_gets_what_is_theirs_once_on_sqlite(
    request,
    _migrated_sqlite,  # noqa: PT019
    tmp_path,
):
    numbers = count()

    def make() -> str:
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copyfile(_migrated_sqlite, path)
        return f"sqlite:///{path}"

    run_state_machine_as_test(lambda: Processes(make), settings=bounds(request, "sqlite"))


@pytest.mark.timeout(900)
def test_everybody_gets_what_is_theirs_once_on_postgresql(
    request,
    _postgres_databases,  # noqa: PT019
):
    made: list[str] = []

    def make() -> str:
        while made:
            _postgres_databases.drop(made.pop())
        made.append(_postgres_databases.create(migrated=True))
        return made[-1]

    run_state_machine_as_test(lambda: Processes(make), settings=bounds(request, "postgres"))
    while made:
        _postgres_databases.drop(made.pop())
