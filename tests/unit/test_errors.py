"""Each exception of ours has its package's base, so that a command can turn every one of them into a sentence."""

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pipeline.errors import PipelineError
from scripts import cli
from scripts.errors import CommandError
from spiders.errors import SpiderError
from storage.errors import StorageError

ROOT = Path(__file__).parents[2]
BASES = {"pipeline": PipelineError, "scripts": CommandError, "spiders": SpiderError, "storage": StorageError}
WITHOUT = {
    # Runs before anything is installed, as a file by itself.
    "scripts/environment.py:SetupError",
    # Not an Exception, so that nothing catches it half-way.
    "scripts/commands/start.py:StoppedError",
}
FOREIGN = {name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)}
FOREIGN |= {"click.ClickException", "ClickException", "click.UsageError"}


def exceptions_without_our_base() -> Iterator[str]:
    for package, base in BASES.items():
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                bases = {ast.unparse(each) for each in getattr(node, "bases", ())}
                if isinstance(node, ast.ClassDef) and bases & FOREIGN and base.__name__ not in bases:
                    yield f"{path.relative_to(ROOT)}:{node.name}"


def test_every_exception_has_its_packages_base():
    themselves = {f"{package}/errors.py:{base.__name__}" for package, base in BASES.items()}
    assert set(exceptions_without_our_base()) - themselves == WITHOUT


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_a_command_that_fails_says_the_sentence(base, monkeypatch):
    @click.command()
    def failing() -> None:
        raise type("SomeError", (base,), {})("the thing is not there: make it with `crawlpush thing`")

    monkeypatch.setattr(cli.Commands, "get_command", lambda *_: failing)
    result = CliRunner().invoke(cli.main, ["failing"])
    assert result.exit_code == 1
    assert result.output == "Error: the thing is not there: make it with `crawlpush thing`\n"


def test_a_defect_shows_its_traceback(monkeypatch):
    @click.command()
    def failing() -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(cli.Commands, "get_command", lambda *_: failing)
    assert isinstance(CliRunner().invoke(cli.main, ["failing"]).exception, KeyError)
