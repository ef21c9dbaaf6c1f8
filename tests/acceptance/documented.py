"""The commands of the documentation, and what is needed to run them here.

In a page, an indented block and a block marked `sh` are commands; any other block must say what it is, or be a drawing
or an output. Each command either runs in a test, or is in `BY_HAND` with the reason; one that is in neither fails.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")))
TRANSLATED = {"README.ko.md": "README.md", "docs/ko/tutorial.md": "docs/tutorial.md"}
"""A page in Korean -> the page in English that it says the same as."""

NOT_COMMANDS = {"sql", "python", "toml", "kotlin", "swift"}
"""Blocks that other tests read: of these pages, by what they are marked with."""

RUNS = re.compile(r"crawlpush |celery |\.venv/bin/celery |cd /opt/crawlpush && \.venv/bin/celery |for pid in ")
"""What a command begins with that runs in a test unless it is done by hand."""

BY_HAND = {
    r"scripts/start\b": "runs until it is stopped: test_start.py starts it",
    r"crawlpush start\b": "runs until it is stopped: test_together.py starts it",
    r"scripts/test\b": "is what runs this test",
    r"\. \.venv/bin/activate": "is for the reader's own shell",
    r"scripts/(lock|audit)\b": "asks the package index",
    r"scripts/(docs|record)\b": "prepares .venv first: tests/unit/scripts/manual has the rest",
    r"crawlpush bench ": "takes minutes, and measures nothing while tests run",
    r"crawlpush drill\b": "takes minutes: test_drill_command.py runs a short one",
    r"crawlpush status --watch": "runs until it is stopped",
    r"crawlpush metrics serve": "runs until it is stopped",
    r"celery -A pipeline worker": "runs until it is stopped; it is what not to do, and why",
    r"crawlpush sites add .*--from ": "reads a board of strangers",
    r"crawlpush sites add (library|search|members) ": "reads a board of strangers; test_ways_in.py has its like",
    r"ALERT_URLS=|crawlpush alerts test": "writes to people",
    r"(useradd|git|python3 -m venv|install|cp|sudo -u postgres|rabbitmqctl) ": "sets a server up",
    r"alias crawlpush='sudo": "is for a server that is set up",
    r".*\b(systemctl|journalctl|supervisorctl|git pull)\b": "needs the services of a server that is set up",
    r"REAL_PAGES=": "reads saved pages of strangers, which are no part of this project",
    r"\s*(#|API=|INSTALL_KEY=|TOKEN=|BACK_END_KEY=|field\(\)|curl )": "test_api_page.py runs the story of docs/api.md",
    r"pg_(dump|restore) ": "belongs to PostgreSQL",
    r"\s*redis-cli ": "belongs to Redis; test_hostile_messages.py reads the same list",
}
"""Why a command does not run in a test, by what it begins with."""

EXITS = {r"crawlpush (status|doctor)": (0, 1), r"crawlpush (locks release|sites repair) ": (0, 1)}
"""Commands whose exit code says how things are; a lock may be free, a site well."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of a page, as it stands there."""

    page: str
    line: int
    text: str

    @property
    def by_hand(self) -> str | None:
        """Why it does not run in a test; None when it does."""
        return next((why for pattern, why in BY_HAND.items() if re.match(pattern, self.text)), None)

    @property
    def exits(self) -> tuple[int, ...]:
        """The exit codes that are right."""
        return next((codes for pattern, codes in EXITS.items() if re.match(pattern, self.text)), (0,))

    def with_values(self, values: Mapping[str, str]) -> str:
        """The command with this installation's values in place of the page's."""
        text = self.text
        for pattern, value in values.items():
            text = re.sub(pattern, lambda _, value=value: value, text)  # type: ignore[misc]
        return text


def commands(page: str) -> Iterator[Command]:
    """The commands of a page, in their order."""
    for line, kind, block in blocks((ROOT / page).read_text(encoding="utf-8")):
        if kind == "sh":
            for offset, text in _commands(block):
                yield Command(page=page, line=line + offset, text=text)


def blocks(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """(number of its first line, what it is marked with, lines) of each block; an indented one counts as `sh`."""
    kind, start, block = None, 0, []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.startswith("```") and kind in (None, "indented"):
            kind, start, block = line.removeprefix("```"), number + 1, []
        elif line.startswith("```"):
            yield start, str(kind), block
            kind = None
        elif kind is None and line.startswith("    "):
            kind, start, block = "indented", number, [line[4:]]
        elif kind == "indented" and not line.startswith("    "):
            yield start, "sh", block
            kind = None
        elif kind is not None:
            block.append(line[4:] if kind == "indented" else line)


def _commands(block: list[str]) -> Iterator[tuple[int, str]]:
    """(offset, text) of each command: a line, or as many as make one that the shell understands."""
    waiting: list[str] = []
    for offset, line in enumerate(block):
        waiting.append(line)
        text = "\n".join(waiting)
        if text.strip() and not text.endswith("\\") and _is_whole(text):
            yield offset + 1 - len(waiting), text
            waiting = []
    if "".join(waiting).strip():
        yield len(block) - len(waiting), "\n".join(waiting)


def _is_whole(text: str) -> bool:
    return not subprocess.run(["/bin/bash", "-n", "-c", text], capture_output=True, check=False).returncode


def calls(text: str, program: str) -> Iterator[list[str]]:
    """The arguments of each call of a program in a command, which may have several."""
    words = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=";|&()<>")
    words.whitespace_split = True
    call: list[str] = []
    for word in (*words, ";"):
        if word and not word.strip(words.punctuation_chars):
            if call[:1] == [program]:
                yield call[1:]
            call = []
        else:
            call.append(word)
