"""The forms for a small machine in a control group of 512 MB, as the smallest dyno has: none runs out of memory."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.test_connections import FORMS
from tests.acceptance.test_drills import expect_everybody_served_once, prepare

pytestmark = pytest.mark.full
LIMIT = 512 * 2**20
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
FILES = {V1: ("memory.limit_in_bytes", "memory.max_usage_in_bytes"), V2: ("memory.max", "memory.peak")}
"""Of each version of control groups: the file with the limit, and that with the most that was used."""


@pytest.fixture
def small_dyno() -> Iterator[Path]:
    """A control group of 512 MB; skips where none may be made."""
    parent = V1 if V1.is_dir() else V2
    folder = parent / f"crawlpush-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / FILES[parent][0]).write_text(str(LIMIT))
    except OSError as error:
        if folder.is_dir():
            folder.rmdir()
        pytest.skip(f"no control group may be made here ({error.strerror}); docs/operations.md has the command")
    yield folder
    # What is still in it goes where it came from, so that it can be removed.
    for pid in (folder / "cgroup.procs").read_text().split():
        (parent / "cgroup.procs").write_text(pid)
    folder.rmdir()


@pytest.mark.parametrize("form", [form for form, (command, _) in FORMS.items() if command])
def test_a_form_for_a_small_machine_works_in_it_with_a_status_beside_it(sqlite_installation, small_dyno, form):
    installation = sqlite_installation
    prepare(installation)
    installation.environment |= {"CRAWL_MEMORY_MB": "128", "CRAWL_CONCURRENCY": "2"}
    enter = f"echo $$ > {small_dyno}/cgroup.procs && exec "
    installation.start_command("all", f"{enter}{FORMS[form][0]}")
    expect_everybody_served_once(installation)
    status = f"{enter}python -m scripts.cli status"
    installation.start_command("status", status)
    installation.wait_until(lambda: "status" in installation.ended(), "the status' end")
    assert installation.pid("all")
    peak = next(small_dyno / used for _, used in FILES.values() if (small_dyno / used).exists())
    assert int(peak.read_text()) < LIMIT
    killed = re.search(r"^oom_kill (\d+)", _events(small_dyno), re.MULTILINE)
    assert killed is None or killed[1] == "0"


def _events(folder: Path) -> str:
    for name in ("memory.events", "memory.oom_control"):
        if (folder / name).exists():
            return (folder / name).read_text()
    return ""
