from pathlib import Path

import pytest

from scripts.bench.page import HEAD, PageError, blocks, read, with_blocks, write
from scripts.bench.tables import number, read_table, table

PAGE = """\
# Figures

A person's words.

<!-- bench:one -->

old one

<!-- /bench:one -->

More words, with `<!-- bench:two -->` in the middle of a line.

## Two

<!-- bench:two -->
<!-- /bench:two -->

The end.
"""


def test_the_blocks_of_a_page() -> None:
    assert blocks(PAGE) == {"one": "old one", "two": ""}
    assert blocks("") == {}


def test_blocks_are_replaced_and_everything_else_stays() -> None:
    page = with_blocks(PAGE, {"one": "new one", "two": "    new two\n\nand more"}, {})
    assert blocks(page) == {"one": "new one", "two": "    new two\n\nand more"}
    emptied = page.replace("\nnew one\n", "\nold one\n").replace("\n    new two\n\nand more\n\n", "")
    assert emptied == PAGE


def test_only_the_blocks_that_are_given_are_replaced() -> None:
    page = with_blocks(PAGE, {"two": "new"}, {})
    assert blocks(page) == {"one": "old one", "two": "new"}


def test_replacing_twice_is_replacing_once() -> None:
    once = with_blocks(PAGE, {"one": "a | b", "three": r"\1 \g<0>"}, {"three": "Three"})
    assert with_blocks(once, {"one": "a | b", "three": r"\1 \g<0>"}, {"three": "Three"}) == once


def test_blocks_that_a_page_lacks_come_at_its_end_in_their_order() -> None:
    page = with_blocks(PAGE, {"four": "4", "one": "1", "three": "3"}, {"three": "The third", "four": "The fourth"})
    assert list(blocks(page)) == ["one", "two", "four", "three"]
    assert page.startswith("# Figures")
    assert page.endswith(
        "The end.\n\n## The fourth\n\n<!-- bench:four -->\n\n4\n\n<!-- /bench:four -->\n"
        "\n## The third\n\n<!-- bench:three -->\n\n3\n\n<!-- /bench:three -->\n"
    )


def test_a_page_that_is_not_there_is_made() -> None:
    page = with_blocks("", {"machine": "a machine", "one": "1"}, {"machine": "", "one": "One"})
    assert page.startswith(HEAD)
    assert "## One" in page
    assert page.count("## ") == 1
    assert blocks(page) == {"machine": "a machine", "one": "1"}


@pytest.mark.parametrize(
    "page",
    [
        "<!-- bench:one -->\n",
        "<!-- /bench:one -->\n",
        "<!-- bench:one -->\n<!-- /bench:two -->\n",
        "<!-- bench:one -->\n<!-- bench:two -->\n<!-- /bench:two -->\n<!-- /bench:one -->\n",
        "<!-- bench:one -->\n<!-- /bench:one -->\n<!-- bench:one -->\n<!-- /bench:one -->\n",
    ],
)
def test_markers_that_cannot_be_right_are_refused(page: str) -> None:
    with pytest.raises(PageError):
        blocks(page)
    with pytest.raises(PageError):
        with_blocks(page, {"one": "1"}, {})


def test_a_refusal_names_the_line() -> None:
    with pytest.raises(PageError, match="line 3: <!-- /bench:two -->"):
        blocks("words\n<!-- bench:one -->\n<!-- /bench:two -->\n")


def test_a_page_is_put_in_place_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    assert read(path) == ""
    write(path, "첫 번째")
    assert read(path) == "첫 번째"
    path.chmod(0o640)
    held = path.open(encoding="utf-8")
    write(path, "second")
    with held:
        assert held.read() == "첫 번째"
    assert read(path) == "second"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_writing_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    path, link = tmp_path / "page.md", tmp_path / "link.md"
    write(path, "first")
    link.symlink_to(path)
    write(link, "second")
    assert link.is_symlink()
    assert read(path) == "second"


def test_a_table_is_written_and_read_again() -> None:
    rows = [
        {"name": "a|b", "count": 1234567, "share": 0.25, "sizes": [1, 1000], "each": {"x": 1.5}},
        {"name": "c", "count": 0},
    ]
    text = table(rows)
    assert text.splitlines()[0] == "| name | count | share | sizes | each |"
    read_back = read_table(f"words\n\n{text}\n\n| another | table |\n| --- | --- |\n| 1 | 2 |\n")
    assert read_back == [
        {"name": "a|b", "count": "1,234,567", "share": "0.25", "sizes": "1 / 1,000", "each": "x 1.5"},
        {"name": "c", "count": "0", "share": "", "sizes": "", "each": ""},
    ]
    assert table(read_back) == text


@pytest.mark.parametrize("text", ["", "no table", "| only a head |"])
def test_where_there_is_no_table_there_are_no_rows(text: str) -> None:
    assert read_table(text) == []


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1,234.5", 1234.5),
        ("**12 ms**", 12),
        ("-3", -3),
        ("0.042 of it", 0.042),
        ("", None),
        ("all", None),
        ("—", None),
    ],
)
def test_the_number_of_a_cell(cell: str, value: float | None) -> None:
    assert number(cell) == value
