"""Signs of life: what is read from what a process last said, and the command that says it."""

import json
import os
import re
import time
from dataclasses import asdict, replace

import pytest

from pipeline import signs
from pipeline.basics.place import place
from pipeline.signs import Sign, Signs
from tests.support.cli import crawlpush
from tests.unit.scripts.test_cli import libraries, loaded, running

SIGN = Sign(name="crawler@host", pid=7, at=1000.0, place="here")


@pytest.mark.parametrize(
    ("changes", "now", "is_alive", "is_well", "words"),
    [
        ({}, 1003.4, True, True, "crawler@host lives: it said so 3 s ago"),
        ({"waits_for": "its broker"}, 1001, True, True, "lives: it said so 1 s ago, and waits for its broker"),
        ({}, 1059, True, True, "lives"),
        ({}, 1090, True, False, "has been silent for 1.5 min"),
        # A number that was given out again before the machine was started anew, or a file that somebody copied.
        ({}, 900, True, False, "has been silent"),
        ({}, 1001, False, False, "crawler@host is gone: its process 7 ended without a word"),
        ({"place": "there"}, 1001, True, False, "ran on another machine"),
    ],
)
def test_a_process_is_well_that_said_so_lately_and_is_there(changes, now, is_alive, is_well, words):
    sign = replace(SIGN, **changes)  # type: ignore[arg-type]
    verdict = signs.verdict(sign, now=now, here="here", is_alive=is_alive)
    assert verdict[0] is is_well
    assert words in verdict[1]


@pytest.mark.parametrize(
    ("name", "found"),
    [(None, ["beat@a", "crawler@a"]), ("crawler", ["crawler@a"]), ("crawler@a", ["crawler@a"]), ("craw", [])],
)
def test_a_process_is_known_by_its_name_or_the_part_before_the_host(name, found):
    all_of_them = [replace(SIGN, name=each) for each in ("beat@a", "crawler@a")]
    assert [sign.name for sign in signs.chosen(all_of_them, name)] == found


def test_the_health_check_reads_what_processes_say_and_what_they_left(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))

    def health(*words: str) -> tuple[int, str]:
        result = crawlpush("health", *words, code=None)
        return result.exit_code, result.output

    assert "no sign of life of any process" in health()[1]
    mine = Signs(tmp_path, "notifier@host")
    mine.give()
    for words in ([], ["notifier"]):
        code, said = health(*words)
        assert (code, re.sub(r"\d+ s", "N s", said)) == (0, "notifier@host lives: it said so N s ago\n")
    mine.give("its broker")
    assert "waits for its broker" in health("notifier@host")[1]
    # Then one that was killed, and files of others
    gone = tmp_path / signs.FOLDER / "beat@host.json"
    gone.write_text(json.dumps(asdict(replace(SIGN, name="beat@host", pid=2**22 + 1, place=place()))))
    for name, text in {"notes.txt": "mine", "broken.json": "{", "other.json": '{"a": 1}'}.items():
        (tmp_path / signs.FOLDER / name).write_text(text)
    assert health()[0] == 1
    assert "beat@host is gone" in health()[1]
    assert health("notifier")[0] == 0
    # A day later its file is forgotten, and one that ended in peace leaves none
    os.utime(gone, (0, 0))
    signs.forget_old(tmp_path, now=time.time())
    assert health()[0] == 0
    mine.end()
    assert health("notifier")[0] == 1


def test_a_folder_that_cannot_be_written_stops_no_process(tmp_path, caplog):
    (tmp_path / signs.FOLDER).write_text("no folder")
    mine = Signs(tmp_path, "notifier@host")
    for _ in range(3):
        mine.give()
    assert len(caplog.records) == 1


def test_the_health_check_loads_no_library(tmp_path):
    assert libraries(loaded(running("health"), DATA_DIR=str(tmp_path))) == set()
