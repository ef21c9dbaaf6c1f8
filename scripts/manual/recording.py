"""A short recording of the command line for the README, made by `scripts/record`: a picture (SVG) that moves.

The demo runs in a folder of its own, and what its commands print is what the picture shows.
"""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

import click
from rich.cells import cell_len

from pipeline.setting_layers import PROJECT_ROOT
from scripts.errors import CommandError

PICTURE: Final = Path("docs/pictures/terminal.svg")
COMMANDS: Final = (
    "sites list",
    'match --site demo --title "국가장학금 신청 안내"',
    "notifications list --limit 8",
    "notifications show 1",
    "status",
)
COLUMNS: Final = 80
PATIENCE_S: Final = 400.0
ENOUGH: Final = 6
"""Notifications that were sent before the recording begins."""
_SENT: Final = ("notifications", "list", "--status", "sent", "--json")


class RecordingError(CommandError):
    """The demo could not be recorded."""


@dataclass(frozen=True, kw_only=True)
class Screen:
    """A command as it is typed, and the lines that it prints."""

    command: str
    lines: Sequence[str]


_CELL: Final = 8.4
_LINE: Final = 18.0
_TYPED_S: Final = 0.04
_READ_S: Final = 0.28
_SHORTEST_S: Final = 2.5


def svg(screens: Sequence[Screen]) -> str:
    """The picture: one screen after the other, over and over. Pure."""
    times = [_TYPED_S * cell_len(screen.command) + max(_SHORTEST_S, _READ_S * len(screen.lines)) for screen in screens]
    whole, begin = sum(times), 0.0
    height = _LINE * (max(len(screen.lines) for screen in screens) + 2.5)
    rules, groups = [], []
    for number, (screen, length) in enumerate(zip(screens, times, strict=True)):
        start, typed, end = (
            100 * moment / whole for moment in (begin, begin + _TYPED_S * cell_len(screen.command), begin + length)
        )
        rules.append(_rules(number, start, typed, end, cells=cell_len(screen.command), whole=whole))
        groups.append(_group(number, screen))
        begin += length
    size = f'width="{_CELL * COLUMNS + 32:.0f}" height="{height:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {_CELL * COLUMNS + 32:.0f} {height:.0f}" '
        'font-family="ui-monospace, Menlo, Consolas, D2Coding, monospace" font-size="14">'
        f"<style>{_STYLE}{''.join(rules)}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="#0d1117"/>{"".join(groups)}</svg>\n'
    )


_STYLE: Final = (
    "text{fill:#e6edf3;white-space:pre}.p{fill:#7ee787}.c{font-weight:600}"
    "@media (prefers-reduced-motion:reduce){g,g *{animation:none!important}#s0,#s0 *{opacity:1!important}"
    ".cover{display:none}}"
)


def _rules(number: int, start: float, typed: float, end: float, *, cells: int, whole: float) -> str:
    """When a screen is there, when its command is uncovered letter by letter, and when its lines appear."""
    last = f"{max(end - 0.01, typed):.2f}%"
    before = f"0%,{start:.2f}%" if start else "0%"
    shown = f"{start + 0.01:.2f}%,{last}"
    return (
        f"@keyframes s{number}{{{before}{{opacity:0}}{shown}{{opacity:1}}{end:.2f}%,100%{{opacity:0}}}}"
        f"@keyframes o{number}{{0%,{typed:.2f}%{{opacity:0}}{typed + 0.01:.2f}%,100%{{opacity:1}}}}"
        f"@keyframes t{number}{{0%,{start:.2f}%{{transform:translateX(0)}}{typed:.2f}%,100%"
        f"{{transform:translateX({_CELL * cells:.1f}px)}}}}"
        f"#s{number}{{opacity:0;animation:s{number} {whole:.2f}s step-end infinite}}"
        f"#s{number} .o{{animation:o{number} {whole:.2f}s step-end infinite}}"
        f"#s{number} .cover{{animation:t{number} {whole:.2f}s steps({max(cells, 1)}) infinite}}"
    )


def _group(number: int, screen: Screen) -> str:
    lines = "".join(_text(line, row + 1) for row, line in enumerate(screen.lines))
    cover = (
        f'<rect class="cover" x="{16 + 2 * _CELL:.1f}" y="6" width="{_CELL * COLUMNS:.0f}" height="20" fill="#0d1117"/>'
    )
    typed = f'<text class="p" x="16" y="21">$</text>{_text(screen.command, 0, column=2, style="c")}{cover}'
    return f'<g id="s{number}">{typed}<g class="o">{lines}</g></g>'


def _text(line: str, row: int, *, column: int = 0, style: str = "") -> str:
    """A line. Each stretch of letters of one width begins where its column is, and each wide letter too."""
    if not line.strip():
        return ""
    spans = "".join(
        f'<tspan x="{" ".join(f"{16 + _CELL * (column + place):.1f}" for place in places)}">{escape(letters)}</tspan>'
        for letters, places in _stretches(line)
    )
    kind = f' class="{style}"' if style else ""
    return f'<text{kind} y="{21 + _LINE * row:.0f}">{spans}</text>'


def _stretches(line: str) -> Iterator[tuple[str, Sequence[int]]]:
    """The stretches of narrow letters with where they begin, and of wide letters with where each stands."""
    letters, places, is_wide, at = "", [0], False, 0
    for letter in line:
        wide = cell_len(letter) == 2
        if wide is not is_wide and letters:
            yield letters, places
            letters, places = "", []
        places = [*places, at] if wide and letters else places if letters else [at]
        letters, is_wide, at = letters + letter, wide, at + cell_len(letter)
    if letters:
        yield letters, places


def record(folder: Path) -> list[Screen]:
    """Run the demo in a folder until it has pushed enough, and its commands. Raises RecordingError."""
    environment = {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
        "DATA_DIR": str(folder), "ENV_FILE": "", "COLUMNS": str(COLUMNS), "TZ": "Asia/Seoul", "PYTHONUTF8": "1",
    }  # fmt: skip

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "scripts.cli", *words]
        done = subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False)
        return done.stdout

    with (folder / "start.log").open("w") as log:
        demo = subprocess.Popen(
            [sys.executable, "-m", "scripts.cli", "start"], cwd=PROJECT_ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        until = time.monotonic() + PATIENCE_S
        while run(*_SENT).count('"id"') < ENOUGH:
            if demo.poll() is not None or time.monotonic() > until:
                raise RecordingError(f"the demo pushed nothing: {(folder / 'start.log').read_text()[-2000:]}")
            time.sleep(3)
        return [
            Screen(command=f"crawlpush {words}", lines=run(*shlex.split(words)).rstrip().splitlines())
            for words in COMMANDS
        ]
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait()


def main() -> None:
    """Write the picture into the file that is named, else into docs/pictures."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT_ROOT / PICTURE
    try:
        with tempfile.TemporaryDirectory(prefix="crawlpush-recording-") as folder:
            screens = record(Path(folder))
    except RecordingError as error:
        sys.exit(str(error))
    target.write_text(svg(screens), encoding="utf-8")
    click.echo(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
