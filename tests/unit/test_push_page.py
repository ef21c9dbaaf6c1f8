"""docs/push.md names a test for each behaviour: the tests must be there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = {"unit/push": "unit/pipeline/push", "integration/push": "integration/pipeline/push"}


def named_tests() -> list[tuple[str, str]]:
    found, path = [], ""
    for file, name in re.findall(r"`([\w/.]*)::(test_\w+)`", (ROOT / "docs" / "push.md").read_text()):
        for short, whole in SHORT.items():
            file = file.replace(short, whole)
        path = file or path
        found.append((path, name))
    return found


def test_the_page_names_tests() -> None:
    assert len(named_tests()) > 40


@pytest.mark.parametrize(("path", "name"), named_tests())
def test_a_named_test_is_there(path: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / "tests" / path).read_text()
