"""Every command of the documentation is known; in full it is copied and run, in an installation of the page's own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from scripts.cli import main
from scripts.local.embedded_redis import find_server
from tests.acceptance.documented import NOT_COMMANDS, PAGES, ROOT, RUNS, TRANSLATED, Command, blocks, calls, commands
from tests.acceptance.installation import Installation, installed, token_of
from tests.support.services import require

WITH_WORKERS = {"docs/operations.md"}
"""Pages whose commands speak to running processes."""

PAGES_THAT_RUN = [page for page in PAGES if any(command.by_hand is None for command in commands(page))]


@pytest.mark.parametrize("page", PAGES)
def test_each_command_runs_here_or_has_a_reason_not_to(page: str) -> None:
    unknown = [c for c in commands(page) if c.by_hand is None and not RUNS.match(c.text)]
    assert not unknown, "neither RUNS nor BY_HAND of documented.py knows these"


@pytest.mark.parametrize("page", PAGES)
def test_no_command_hides_in_a_block_that_is_not_marked(page: str) -> None:
    for line, kind, block in blocks((ROOT / page).read_text(encoding="utf-8")):
        assert kind in {"sh", "", *NOT_COMMANDS}, f"{page}:{line}"
        if kind == "":
            assert not any(RUNS.match(text.lstrip("$ ")) for text in block), f"{page}:{line}: mark it as sh"


@pytest.mark.parametrize("page", PAGES)
def test_crawlpush_knows_the_commands_and_options_of_a_page(page: str) -> None:
    """Without running them, so that each page has this every day."""
    for command in commands(page):
        for words in calls(command.text, "crawlpush"):
            found, rest = main, words
            with click.Context(main) as context:
                while isinstance(found, click.Group) and rest and not rest[0].startswith("-"):
                    _, found, rest = found.resolve_command(context, rest)
            try:
                found.make_context(None, list(rest))
            except click.MissingParameter:
                raise
            except (click.BadParameter, click.exceptions.Exit):
                # A value that stands for another (ID), a file that only the reader has, or --help.
                continue


@pytest.mark.parametrize("page", TRANSLATED)
def test_a_translation_has_the_commands_of_the_page_that_it_is_of(page: str) -> None:
    def said(name: str) -> list[str]:
        found = blocks((ROOT / name).read_text(encoding="utf-8"))
        return [re.sub(r"\s+#.*", "", line) for _, kind, block in found if kind in {"sh", "toml"} for line in block]

    assert said(page) == said(TRANSLATED[page])


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", PAGES_THAT_RUN)
def test_the_commands_of_a_page_work_as_they_stand_there(page: str, sqlite_url: str, tmp_path: Path) -> None:
    require(find_server() is not None, "a redis-server")
    with installed(tmp_path, sqlite_url, posts=["처음부터 있던 글"]) as installation:
        values = prepared(installation)
        if page in WITH_WORKERS:
            installation.start()
            installation.wait_until_ready()
        wrong = [said for command in commands(page) if (said := ran(command, installation, values))]
    assert not wrong, "\n\n".join(wrong)


def ran(command: Command, installation: Installation, values: Mapping[str, str]) -> str | None:
    """Run a command, unless a person must; what it said, if that is wrong."""
    if command.by_hand:
        return None
    done = subprocess.run(
        ["/bin/bash", "-c", command.with_values(values)],
        cwd=installation.folder,
        env=environment(installation),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    said = f"{command.page}:{command.line}: {command.text}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
    return None if done.returncode in command.exits and "Traceback" not in done.stderr else said


def recipes() -> str:
    """What the tutorial has for the usual boards: a reader saves one of them as sites.toml."""
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    return "\n".join(line for _, kind, block in blocks(page) if kind == "toml" for line in block)


def environment(installation: Installation) -> dict[str, str]:
    """Of a shell in which somebody activated the virtual environment."""
    path = os.pathsep.join([str(Path(sys.executable).parent), installation.environment["PATH"]])
    return {**installation.environment, "PATH": path, "COLUMNS": "200", "PYTHONPATH": str(ROOT)}


def prepared(installation: Installation) -> dict[str, str]:
    """What the pages take for granted: a site, people, files to import; and what stands for their placeholders."""
    installation.add_board("demo")
    installation.command("crawl", "demo")
    installation.add_user("hana", "장학", "fcm")
    folder, token = installation.folder, token_of("sora", "fcm")
    (folder / "users.csv").write_text("user,timezone\nsora,Asia/Seoul\n")
    (folder / "devices.jsonl").write_text(json.dumps({"user": "sora", "platform": "fcm", "token": token}) + "\n")
    (folder / "subscriptions.jsonl").write_text(json.dumps({"user": "james", "phrase": "node.js"}) + "\n")
    (folder / "sites.toml").write_text(recipes(), encoding="utf-8")
    # Apart from the folder that a page calls /var/lib, where the database may have the name of its backup.
    (folder / "backups").mkdir()
    # What restores a database wants it for itself.
    installation.database.close()
    selectors = installation.board.listing_params()
    board, feed = installation.board.url, installation.board.feed_url
    return {
        r"https://news\.example\.org/feed\.xml|https://lobste\.rs/newest\.rss": f"{feed} --allow-private",
        r"https://(news\.example\.org/board|board\.example/notices)": f"{board} --allow-private",
        r"https://board\.example/new-address": f"{board} --allow-private",
        r"table(\.board)? tbody tr": selectors["row"],
        r"td\.(subject|title) a": selectors["title"],
        r"td\.date": selectors["date"],
        r"div\.view-content": "div.view-con",
        r"\bNAME\b": "demo",
        r"\bTOKEN_FROM_THE_APP\b|(?<=--token )T\b": token_of("hana", "fcm"),
        r"(?<=--user )(U|YOURSELF)\b": "hana",
        r"(?<=posts refan )ID\b|(?<=posts split )ID\b": "1",
        r"(?<=sites set )(faculty|department)\b": "demo",
        # What is paused by name has to be resumed by name.
        r"crawlpush resume all\b": "crawlpush resume push --channel fcm; crawlpush resume crawl --site demo; "
        "crawlpush resume all",
        r"/var/backups/": f"{folder}/backups/",
        r"/var/lib/crawlpush/": f"{folder}/",
        r"cd /opt/crawlpush": f"cd {ROOT}",
        r"\.venv/bin/celery": "celery",
    }
