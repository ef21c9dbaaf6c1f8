"""The process that speaks to Apprise: letters from standard input, one line of JSON per letter to standard output."""

import json
import logging
import re
import sys
from typing import Any
from urllib.parse import unquote

import apprise

from pipeline.basics.text import first_line

LEAST_SECRET = 3
"""Parts of a URL that are shorter than this are in every other word."""


def main() -> None:
    """Send each letter, and say so at once: whoever waits may kill us."""
    for letter in json.load(sys.stdin):
        sys.stdout.write(json.dumps(_send(letter)) + "\n")
        sys.stdout.flush()


def _send(letter: dict[str, Any]) -> dict[str, Any]:
    url = letter["url"]
    service = apprise.Apprise.instantiate(url)
    if service is None:
        return {"ok": False, "reason": "Apprise does not understand this URL"}
    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as log:  # type: ignore[no-untyped-call]
        ok = bool(service.notify(title=letter["title"], body=letter["body"]))
        said = first_line(log.getvalue())
    return {"ok": ok, "reason": "" if ok else without(url, said or "it was not taken")}


def without(url: str, text: str) -> str:
    """A text in which nothing of a URL but its scheme is left."""
    parts = {part for part in re.split(r"[/:@?&=,+]+", url.partition("://")[2]) if len(part) >= LEAST_SECRET}
    for part in sorted({*parts, *map(unquote, parts)}, key=len, reverse=True):
        text = text.replace(part, "…")
    return text


if __name__ == "__main__":
    main()
