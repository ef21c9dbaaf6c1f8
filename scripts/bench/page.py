"""A page of which some blocks are written by a program, and the rest by a person.

    <!-- bench:crawl -->
    what the program wrote last
    <!-- /bench:crawl -->

The text functions are pure.
"""

import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from scripts.errors import CommandError

_MARKER = re.compile(r"^<!-- (?P<end>/?)bench:(?P<name>[a-z0-9-]+) -->$", re.MULTILINE)

HEAD = """\
# Benchmarks

`crawlpush bench all --report` writes what is between the markers of this page, and leaves the rest alone.
"""


class PageError(CommandError, ValueError):
    """A page whose markers cannot be right; the sentence names the line."""


def blocks(page: str) -> dict[str, str]:
    """What is between the markers, by name, in the order of the page. Raises PageError."""
    return {name: page[begin:end].strip("\n") for name, (begin, end) in _spans(page).items()}


def with_blocks(page: str, bodies: Mapping[str, str], titles: Mapping[str, str]) -> str:
    """The page with these blocks in place of its own; those that it lacks come at its end, under their titles.

    All else stays as it is. An empty page gets a head first. Raises PageError.
    """
    spans = _spans(page)
    # From the end, so that what is still to be replaced stays where it was.
    for name, (begin, end) in reversed(spans.items()):
        if name in bodies:
            page = f"{page[:begin]}\n{bodies[name]}\n\n{page[end:]}"
    if not page.strip():
        page = HEAD
    for name, body in bodies.items():
        if name not in spans:
            title = f"## {titles[name]}\n\n" if titles.get(name) else ""
            page = f"{page.rstrip()}\n\n{title}<!-- bench:{name} -->\n\n{body}\n\n<!-- /bench:{name} -->\n"
    return page


def read(path: Path) -> str:
    """The page, empty when there is none."""
    with suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8")
    return ""


def write(path: Path, page: str) -> None:
    """Put the page in place in one step: whoever reads meanwhile sees the old one or the new one."""
    target = path.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(page)
        # Such a file is its owner's alone; a page is read by others too.
        part.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _spans(page: str) -> dict[str, tuple[int, int]]:
    """Where each block's content begins, after its marker's line, and where it ends."""
    found: dict[str, tuple[int, int]] = {}
    opened: re.Match[str] | None = None
    for marker in _MARKER.finditer(page):
        name = marker["name"]
        if opened is None and not marker["end"] and name not in found:
            opened = marker
        elif opened is not None and marker["end"] and opened["name"] == name:
            found[name] = (opened.end() + 1, marker.start())
            opened = None
        else:
            line = page.count("\n", 0, marker.start()) + 1
            raise PageError(f"line {line}: {marker[0]} is not where it belongs: each block begins and ends once")
    if opened is not None:
        raise PageError(f"{opened[0]} has no end: <!-- /bench:{opened['name']} --> is missing")
    return found
