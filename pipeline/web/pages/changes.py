"""What an operator may change by the pages: each change is a command, run as it stands, and recorded before it runs."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.basics.access import masked
from pipeline.errors import PipelineError
from pipeline.web.commands import run_command
from pipeline.web.pages.call import Call
from storage import operators

Words = Sequence[str]
OUTCOME_LENGTH: Final = 2_000


@dataclass(frozen=True, kw_only=True)
class Change:
    """A button or a form of a site's page."""

    # What the button says.
    label: str
    # The words behind `crawlpush`, from the site's name and the form.
    words: Callable[[str, Mapping[str, str]], Words]
    # Whether a number has to be typed first: that of the posts it is about.
    is_grave: bool = False


SITE_CHANGES: Final[Mapping[str, Change]] = {
    "crawl": Change(label="Crawl now", words=lambda site, _: ("crawl", "--queue", "--", site)),
    "pause-crawls": Change(label="Pause crawls", words=lambda site, _: ("pause", "crawl", f"--site={site}")),
    "resume-crawls": Change(label="Resume crawls", words=lambda site, _: ("resume", "crawl", f"--site={site}")),
    "pause-pushes": Change(label="Pause pushes", words=lambda site, _: ("pause", "push", f"--site={site}")),
    "resume-pushes": Change(label="Resume pushes", words=lambda site, _: ("resume", "push", f"--site={site}")),
    "enable": Change(label="Watch it again", words=lambda site, _: ("sites", "enable", "--", site)),
    "disable": Change(label="Stop watching", words=lambda site, _: ("sites", "disable", "--", site)),
    "schedule": Change(
        label="Change the schedule",
        words=lambda site, form: ("sites", "schedule", "--", site, form.get("schedule", "")),
    ),
    "release": Change(label="Release", words=lambda site, _: ("sites", "release", "--yes", "--", site), is_grave=True),
    "drop": Change(label="Drop", words=lambda site, _: ("sites", "drop", "--yes", "--", site), is_grave=True),
}


def command_line(words: Words) -> str:
    """A command as one types it, with what an address may hold of a password masked. Pure."""
    # A name that begins with a dash is one all the same only behind "--".
    shown = [word for place, word in enumerate(words) if word != "--" or words[place + 1 :][0].startswith("-")]
    return shlex.join(["crawlpush", *(_masked(word) for word in shown)])


def _masked(word: str) -> str:
    name, equals, value = word.partition("=")
    return f"{name}{equals}{masked(value)}" if equals and name.startswith("--") else masked(word)


def change(call: Call, words: Words) -> str:
    """Run a command for an operator, and return what it said. Raises PipelineError with the reason why not.

    Who, what and when are on record before it runs, so that a crash in between leaves a record without an outcome
    and never a change without a record.
    """
    assert call.operator is not None
    database, at = call.services.database, call.services.clock()
    line = command_line(words)
    with database.writing() as session:
        record = operators.begin_change(
            session, operator=call.operator.name, what=" ".join(_subject(words)), command=line, now=at
        )
    outcome = "the web process ended before the command did"
    try:
        said = run_command(words)
        outcome = said.strip() or "done"
    except PipelineError as error:
        outcome = str(error)
        raise
    finally:
        with database.writing() as session:
            operators.end_change(session, record, outcome=outcome[:OUTCOME_LENGTH])
    return said


def _subject(words: Words) -> Words:
    return [word for word in words if not word.startswith("--")][:3]
