"""The shell part of `scripts/start` and `scripts/test`: makes .venv once, repairs it, and says what is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.setting_layers import PROJECT_ROOT
from scripts.environment import PIP_WHEEL

SETUP_CFG = "[metadata]\nname = nothing\nversion = 1\n[options]\npackages =\n"
INDEX_PAGE = """\
<a href="https://files.example/aa/pip-9.0.1-py2.py3-none-any.whl#sha256={0}">pip-9.0.1-py2.py3-none-any.whl</a><br/>
<a href="../../files/pip-24.10-py3-none-any.whl#sha256={0}" data-requires-python="&gt;=3.8">pip-24.10</a><br/>
<a href="https://files.example/cc/pip-24.9.tar.gz#sha256={0}">pip-24.9.tar.gz</a><br/>
<a href="https://files.example/dd/pip-25.0-py3-none-any.whl#sha256={0}" data-yanked="broken">pip-25.0</a><br/>
<a href="https://files.example/ee/pip-25.1b1-py3-none-any.whl#sha256={0}">pip-25.1b1</a><br/>
""".format("0" * 64)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of the same form that needs no package."""
    root = tmp_path / "a project"
    (root / "scripts").mkdir(parents=True)
    for name in ("environment.py", "environment.sh"):
        shutil.copy(PROJECT_ROOT / "scripts" / name, root / "scripts")
    (root / "setup.cfg").write_text(SETUP_CFG)
    shutil.copy(PROJECT_ROOT / "pyproject.toml", root)
    (root / "requirements.txt").write_text("# none\n")
    return root


def prepare(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-euc", ". scripts/environment.sh; prepare requirements.txt"],
        cwd=project,
        env={**os.environ, "PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@pytest.mark.full
def test_the_environment_is_made_once_and_repaired_after_an_interrupted_install(project: Path) -> None:
    first = prepare(project)
    assert first.returncode == 0, first.stderr
    assert [line.split(" ...")[0] for line in first.stdout.splitlines()] == [
        f"Making .venv with Python {sys.version.split()[0]}",
        "Installing requirements.txt (a minute or two the first time)",
        "Installing crawlpush",
    ]

    # A second start does nothing and says nothing.
    assert prepare(project).stdout == ""

    # A changed lock is installed into the same environment.
    (project / "requirements.txt").write_text("# still none\n")
    assert "Making" not in (changed := prepare(project).stdout)
    assert "Installing requirements.txt" in changed

    # Killed while pip ran
    next((project / ".venv").glob("*.installed")).unlink()
    (project / ".venv" / "install-unfinished").touch()
    assert prepare(project).stdout.startswith("Making .venv")

    # The Python that it was made with is gone
    (project / ".venv" / "bin" / "python").unlink()
    assert prepare(project).stdout.startswith("Making .venv")


@pytest.mark.full
def test_what_pip_cannot_install_is_named(project: Path) -> None:
    (project / "requirements.txt").write_text("click==0.0.0.dev0\n")
    failed = prepare(project)
    assert failed.returncode == 1
    assert failed.stderr.startswith("pip could not install the packages:")
    assert "click==0.0.0.dev0" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_without_a_new_enough_python_one_sentence_names_the_way_out(project: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    failed = prepare(project, PATH=str(tmp_path), PYTHON="")
    assert failed.returncode == 1
    assert failed.stderr.startswith("crawlpush needs Python 3.11 or later, and found none on PATH.")
    assert len(failed.stderr.splitlines()) == 1


def test_of_an_index_page_only_final_wheels_of_pip_count() -> None:
    usable = [match for match in PIP_WHEEL.finditer(INDEX_PAGE) if "data-yanked" not in match["attributes"]]
    assert [(match["version"], match["url"]) for match in usable] == [
        ("24.10", "../../files/pip-24.10-py3-none-any.whl")
    ]
