"""Processes whose clocks a drill sets."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.drill.clocks import AHEAD_S, Clocks
from scripts.local.process_output import LogFiles
from scripts.local.supervisor import Supervisor, program_environment

SHOWN = """
import sys, time
from datetime import UTC, datetime, timedelta, timezone
east = timezone(timedelta(hours=9))
kinds = (datetime, UTC), (datetime, None), (datetime, east), (type("Own", (datetime,), {}), UTC)
clocks = [time.time, lambda: time.time_ns() / 1e9, *(lambda k=kind: k[0].now(tz=k[1]).timestamp() for kind in kinds)]
def read(clock):
    # Again where somebody else ran in between
    while True:
        began, shown, ended = time.clock_gettime(time.CLOCK_REALTIME), clock(), time.clock_gettime(time.CLOCK_REALTIME)
        if ended - began < 0.01:
            return round(shown - began, 1)
def ahead():
    return [read(clock) for clock in clocks]
before, began = ahead(), time.monotonic()
assert len(set(before)) == 1 and abs(datetime.now(east).utcoffset().seconds) == 9 * 3600, before
print(before[0], flush=True)
sys.stdin.readline()
while ahead()[0]:
    assert time.monotonic() < began + 60
    time.sleep(0.1)
print(ahead()[0])
"""


@pytest.mark.parametrize("ahead", AHEAD_S)
def test_a_clock_is_wrong_for_one_process_and_set_right_while_it_runs(tmp_path: Path, ahead: str) -> None:
    supervisor = Supervisor(LogFiles(tmp_path), program_environment({}))
    clocks = Clocks(supervisor, tmp_path)
    clocks.set_wrong("notifier", ahead)
    environment = {**supervisor.environment, **supervisor.more_environment["notifier"]}
    with subprocess.Popen(
        [sys.executable, "-c", SHOWN], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        assert float(process.stdout.readline()) == AHEAD_S[ahead]
        clocks.set_right()
        process.stdin.write("\n")
        process.stdin.flush()
        assert float(process.stdout.readline()) == 0
    assert not supervisor.more_environment
