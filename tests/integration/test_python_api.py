"""The example of docs/python-api.md, run as it stands there."""

import doctest
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python-api.md"


def test_the_example_of_the_documentation_runs(database_url: str) -> None:
    result = doctest.testfile(str(PAGE), module_relative=False, globs={"url": database_url}, encoding="utf-8")
    assert result.attempted > 10
    assert result.failed == 0
