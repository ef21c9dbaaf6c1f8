"""Synonyms of an installation: words that its people use for one thing, in a TOML file.

    groups = [
      ["알바", "아르바이트", "part-time", "part time"],
      ["채용", { term = "구인", kind = "word" }],
    ]

What is subscribed to stays as it was typed. A term that stands in a group is found where another of its group is; a
compound in quotation marks is not, because it must occur as it is. A member is one term, also with spaces in it, and is
looked for as a phrase of the same text and kind would be.
"""

import logging
import threading
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.fanout.phrases import Kind, PhraseError, normalise, parse_phrase, read_terms

logger = logging.getLogger(__name__)

MAX_BYTES = 1_000_000


class SynonymsError(PipelineError, ValueError):
    """A file of synonyms that cannot be used: which, why, and the way out."""


@dataclass(frozen=True)
class Member:
    """One of the words for a thing: its canonical term, and how it is looked for."""

    term: str
    kind: Kind


@dataclass(frozen=True, eq=False)
class Synonyms:
    """The groups of an installation, as they were read at one moment."""

    groups: tuple[tuple[Member, ...], ...] = ()
    # Term -> the members of its group.
    by_term: dict[str, tuple[Member, ...]] = field(default_factory=dict)

    def of(self, term: str) -> list[Member]:
        """The other members of a term's group."""
        return [member for member in self.by_term.get(term, ()) if member.term != term]


NONE = Synonyms()


def read_synonyms(text: str) -> Synonyms:
    """The synonyms of a file's text. Raises SynonymsError, whose sentence names the group."""
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SynonymsError(f"it is not TOML: {error}") from None
    groups = content.pop("groups", [])
    if content:
        raise SynonymsError(f'it has {", ".join(map(repr, content))[:200]}: only "groups" is known')
    if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
        raise SynonymsError('"groups" is not a list of lists such as [["알바", "아르바이트"]]')
    read = tuple(_group(number, group) for number, group in enumerate(groups, 1))
    by_term: dict[str, tuple[Member, ...]] = {}
    for group in read:
        for member in group:
            if member.term in by_term:
                raise SynonymsError(f"{member.term!r} stands twice: let a word stand in one group, and once")
            by_term[member.term] = group
    return Synonyms(read, by_term)


def _group(number: int, words: Sequence[Any]) -> tuple[Member, ...]:
    try:
        members = tuple(map(_member, words))
    except ValueError as error:
        raise SynonymsError(f"group {number}: {error}") from None
    if len(members) < 2:
        raise SynonymsError(f"group {number} has fewer than two words: add another, or remove the group")
    return members


def _member(word: Any) -> Member:
    options = word if isinstance(word, dict) else {"term": word}
    if not isinstance(term := options.get("term"), str) or set(options) - {"term", "kind"}:
        raise SynonymsError(
            f'{str(word)[:100]!r} is neither a text nor a table such as {{ term = "구인", kind = "word" }}'
        )
    if '"' in normalise(term):
        raise PhraseError(term, "has a quotation mark: leave it out, a synonym occurs as it is anyhow")
    phrase = parse_phrase(f'"{term}"', options.get("kind"))
    ((text, _),) = read_terms(phrase.text)
    return Member(text, phrase.kind)


class SynonymsFile:
    """The synonyms in a file, read again when it changes."""

    def __init__(self, path: Path | None) -> None:
        """No path: no synonyms."""
        self._path = path
        self._lock = threading.Lock()
        self._seen: object = None
        self._synonyms = NONE

    def read(self) -> Synonyms:
        """The synonyms that the file has now. Raises SynonymsError with a sentence that names the file."""
        if self._path is None:
            return NONE
        try:
            if self._path.stat().st_size > MAX_BYTES:
                raise SynonymsError(f"it is larger than {MAX_BYTES:,} bytes")
            return read_synonyms(self._path.read_text("utf-8"))
        except UnicodeDecodeError:
            reason = "it is not UTF-8"
        except OSError as error:
            reason = f"it cannot be read ({error.strerror})"
        except SynonymsError as error:
            reason = str(error)
        raise SynonymsError(f"SYNONYMS_FILE, {self._path}: {reason}")

    def current(self) -> Synonyms:
        """The same for a process that must go on: a file with a fault leaves the synonyms as they were, and is logged.

        It costs a stat while the file stays as it is.
        """
        with self._lock:
            if self._path is not None and (seen := _stamp(self._path)) != self._seen:
                self._seen = seen
                try:
                    self._synonyms = self.read()
                except SynonymsError as error:
                    logger.error("%s; the synonyms stay as they were", error)  # noqa: TRY400
            return self._synonyms


def _stamp(path: Path) -> object:
    try:
        stat = path.stat()
    except OSError as error:
        return error.errno
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
