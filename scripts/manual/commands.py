"""The page of all commands, made from click: what `--help` says of each, in one place."""

import re
from collections.abc import Iterator

import click

from scripts.groups import leaves


def reference(group: click.Group) -> str:
    """The page, as Markdown."""
    lines = [
        "# Commands",
        "",
        "Every command with its options, as `--help` shows it. Those that end take `--json`;",
        "[the command line](docs/command-line.md) says what they have in common.",
        "",
    ]
    for path, command in leaves(group):
        lines += _of_command(path, command)
    return "\n".join(lines)


def _of_command(path: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"crawlpush {path}", terminal_width=100)
    usage = " ".join(command.collect_usage_pieces(context))
    yield from (f"## crawlpush {path}", "", *_paragraphs(command.help or ""), f"    crawlpush {path} {usage}", "")
    if example := (command.epilog or "").partition("crawlpush ")[2]:
        yield from ("For example:", "", f"    crawlpush {example}", "")
    options = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
    if options:
        yield from ("| option | meaning |", "| --- | --- |")
        yield from (f"| `{_cell(names)}` | {_cell(meaning)} |" for names, meaning in options)
        yield ""


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        yield from (_plain(" ".join(paragraph.split())), "")


def _cell(text: str) -> str:
    return _plain(" ".join(text.split())).replace("|", "\\|")


def _plain(text: str) -> str:
    """Outside of code, a star and an angle bracket are Markdown's."""
    return re.sub(r"(`[^`]*`)|([*<])", lambda found: found[1] or f"\\{found[2]}", text)
