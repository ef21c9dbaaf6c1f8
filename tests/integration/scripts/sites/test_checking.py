"""`sites record`, `check` and `try --save`: pages that are kept as files, and replayed without network or database."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scripts.board.process import BoardProcess
from tests.support.cli import Run, runner


@pytest.fixture
def run(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]) -> Run:
    """Runs `crawlpush sites` in an empty folder; `code` is the exit code that is expected."""
    configure(DATABASE_URL=sqlite_url, CRAWL_DELAY_S="0")
    monkeypatch.chdir(tmp_path)
    return runner("sites")


@pytest.fixture
def board() -> Iterator[BoardProcess]:
    with BoardProcess(every=0) as board:
        yield board


def add(run: Run, board: BoardProcess) -> None:
    params = board.listing_params()
    url, zone = params.pop("url"), params.pop("timezone")
    pairs = [f"--param={name}={value}" for name, value in params.items()]
    run("add", "notices", "--url", url, "--timezone", zone, "--allow-private", "--no-check", *pairs)


def test_a_recorded_site_is_checked_and_a_difference_ends_with_1(run: Run, board: BoardProcess, tmp_path: Path) -> None:
    add(run, board)
    said = run("record", "notices").output
    assert "posts of notices recorded in sites/notices" in said
    assert {file.name for file in (tmp_path / "sites/notices").iterdir()} == {"site.toml", "page.html", "expected.toml"}
    (checked,) = json.loads(run("check", "--live", "--json").stdout)
    assert (checked["result"], checked["differences"]) == ("ok", [])
    (checked,) = json.loads(run("check", "--json").stdout)
    assert (checked["site"], checked["result"]) == ("notices", "ok")

    # The page as it is after a redesign.
    page = tmp_path / "sites/notices/page.html"
    page.write_text(page.read_text().replace("td-subject", "title"))
    said = run("check", "sites/notices", "--junit", "junit.xml", code=1).output
    assert "notices:\n  no posts are found: the row selector 'table.board-table tbody tr' matches" in said
    (suite,) = ElementTree.parse("junit.xml").getroot()
    assert suite.get("failures") == "1"

    # A definition that reads it, as it would stand in the team's own file.
    run("set", "notices", "--title", "td.title a", "--no-check", "-p", "link=td.title a::attr(href)")
    run("export", "sites.toml")
    run("check", "--definitions", "sites.toml")
    # What it gives now may be accepted.
    expected = tmp_path / "sites/notices/expected.toml"
    expected.write_text(expected.read_text().replace("now =", "next_url = 'http://nowhere.test/'\nnow ="))
    run("check", "--definitions", "sites.toml", code=1)
    assert "updated" in run("check", "--definitions", "sites.toml", "--update").output
    run("check", "--definitions", "sites.toml")


def test_what_is_tried_can_be_saved_as_a_fixture(run: Run, board: BoardProcess, tmp_path: Path) -> None:
    tried = run("try", board.url, "--allow-private", "--save", "notices", "--to", "pages")
    assert "posts recorded in pages/notices" in tried.output
    assert "[[posts]]" in (tmp_path / "pages/notices/expected.toml").read_text()
    run("check", "pages")
    run("try", board.url, "--save", "No Name", code=1)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("check",), 2, "'sites' does not exist"),
        (("check", "."), 1, "holds no recording: `crawlpush sites record NAME --to"),
        (("record", "nosuch"), 1, "there is no site named 'nosuch'"),
    ],
)
def test_what_is_not_there_is_told_in_words(run: Run, words: tuple[str, ...], code: int, sentence: str) -> None:
    assert sentence in run(*words, code=code).output
