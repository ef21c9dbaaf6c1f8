"""What a process lets go, it still has when it needs it."""

import subprocess
import sys

import pytest

from pipeline.basics import memory

FORGET = """
import re, ssl, sqlite3, decimal
from pathlib import Path
from pipeline.basics import memory

def code_kb():
    return int(re.search(r"RssFile:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

memory.one_arena()
before = code_kb()
memory.forget_code()
after = code_kb()
print(after < 0.8 * before, ssl.create_default_context() and sqlite3.connect(":memory:").execute("SELECT 7").fetchone())
"""


GAPS = """
from pipeline.basics import memory

def side_by_side():
    made = [bytes(400) for _ in range(20)]
    return sum(id(after) - id(one) == 448 for one, after in zip(made, made[1:]))

scattered = [bytes(400) for _ in range(3000)]
del scattered[::3]
before = side_by_side()
memory.fill_gaps()
print(before, side_by_side() > 15)
"""


def test_what_is_made_after_the_gaps_were_filled_lies_together() -> None:
    assert subprocess.check_output([sys.executable, "-c", GAPS], text=True) == "0 True\n"


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="counts of references are CPython's")
def test_no_name_is_kept_for_having_been_looked_up() -> None:
    memory.forget_lookups()
    name = "".join(["looked", "_up"])
    before = sys.getrefcount(name)
    assert not hasattr(str, name)
    kept = sys.getrefcount(name) - before
    memory.forget_lookups()
    assert (kept > 0, sys.getrefcount(name) - before) == (True, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="what is in memory is looked up as Linux has it")
def test_code_that_was_let_go_takes_no_memory_until_it_runs_again() -> None:
    assert subprocess.check_output([sys.executable, "-c", FORGET], text=True) == "True (7,)\n"
