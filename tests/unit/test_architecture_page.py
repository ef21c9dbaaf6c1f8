"""docs/architecture.md is the plan of the house: what it names must be there, and it must name every folder."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
IN_EACH_PACKAGE = {"__init__.py", "errors.py"}
PACKAGES = ("pipeline", "scripts", "spiders", "storage")
NAMED = sorted(
    {
        span
        for span in re.findall(r"`([\w./-]+)`", PAGE)
        if (span.endswith(".py") and span not in IN_EACH_PACKAGE)
        or (span.endswith("/") and span.split("/")[0] in {*PACKAGES, "tests", "docs", "deploy"})
    }
)


def test_the_page_names_most_of_the_house() -> None:
    assert len(NAMED) > 80


@pytest.mark.parametrize("path", NAMED)
def test_what_the_page_names_is_there(path: str) -> None:
    found = ROOT / path
    assert found.is_dir() if path.endswith("/") else found.is_file()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_is_named(package: str) -> None:
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / package).glob("*/**/__init__.py")}
    parts_of_named = {"storage/migrations/versions"}
    assert {str(folder) for folder in folders} - parts_of_named - {path.rstrip("/") for path in NAMED} == set()
