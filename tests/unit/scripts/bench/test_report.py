import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

from scripts.bench import machine
from scripts.bench.errors import BenchmarkError
from scripts.bench.report import HEAD, QUICK, ReportError, Results, blocks, read_table, table, updated, with_blocks
from scripts.bench.run_all import run_all
from scripts.bench.suite import NAMES, suite
from scripts.bench.targets import TARGETS
from scripts.commands.bench import FUNCTIONS, bench
from tests.acceptance.documented import ROOT

MACHINE = {"date": "1 December 2026", "crawlpush": "1.2.3 (abc1234)", "processor": "A Processor", "cores": "2"}
BY_NAME = {benchmark.name: benchmark for benchmark in suite()}
FANOUT = {"rounds": 3, "users": 100_000, "per_s": 35_687, "ratio": 9.5}
NOTIFY = {"rounds": 3, "per_s": 594, "of_noop": 0.22, "lost": 0, "stock": {"per_s": 295, "of_noop": 0.42}}
AUDIENCE = {"runs": 1, "audiences": [{"users": 10, "seconds": 0.0}, {"users": 1000, "seconds": 0.25}]}
PUBLISHED, LOOPED = "notify messages published, one process", "the same beside `apply_async` in a loop"
PAGE = """\
# Figures

A person's words.

<!-- bench:one -->

old one

<!-- /bench:one -->

More words, with `<!-- bench:two -->` in the middle of a line.

<!-- bench:two -->
<!-- /bench:two -->

The end.
"""


def endtoend(users: int) -> dict[str, Any]:
    return {"users": users, "total_s": users / 1000, "second_s": 1.5, "peak_mb": {"notifier": 120}, "lost": 0}


def page(found: dict[str, list[dict[str, Any]]], before: str = "", *, quick: bool = False) -> dict[str, str]:
    """The blocks of a page after a run that found these figures."""
    benchmarks = {name: BY_NAME[name] for name in found}
    results = Results(machine=MACHINE, quick=quick, runs=found, benchmarks=benchmarks)  # type: ignore[arg-type]
    return blocks(updated(before, results, whole=False))


def summary(found: dict[str, list[dict[str, Any]]], older: str = "", *, quick: bool = False) -> dict[str, Any]:
    before = f"<!-- bench:summary -->\n{older}\n<!-- /bench:summary -->\n"
    return {row["what"]: row for row in read_table(page(found, before, quick=quick)["summary"])}


@pytest.mark.parametrize("quick", [False, True])
def test_each_benchmark_runs_a_command_that_there_is(quick: bool) -> None:
    for benchmark in suite(quick=quick, audiences=(1_000_000,)):
        for arguments in benchmark.commands:
            parsed = bench.commands[arguments[0]].make_context(arguments[0], list(arguments[1:]))
            assert parsed.params["as_json"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_command_has_the_options_of_what_it_measures_with(name: str) -> None:
    module, _, function = FUNCTIONS[name].partition(":")
    options = {each.name for each in bench.commands[name].params} - {"as_json"}
    assert options == set(inspect.signature(getattr(importlib.import_module(module), function)).parameters)


def test_each_command_of_bench_but_the_soak_is_among_all() -> None:
    assert {each[0] for b in suite() for each in b.commands} | {"all", "soak"} == set(bench.commands)


def test_the_audiences_of_the_whole_way_can_be_chosen() -> None:
    (whole_way,) = (b for b in suite(audiences=(10, 20)) if b.name == "endtoend")
    assert whole_way.command_lines == [f"crawlpush bench endtoend --users {n} --json" for n in (10, 20)]


def test_a_block_has_its_command_its_date_and_its_figures() -> None:
    text = page({"fanout": [FANOUT]})["fanout"]
    assert text.startswith("    crawlpush bench fanout --users 100000 --json\n\n")
    assert "on 1 December 2026 with crawlpush 1.2.3 (abc1234) on 2 cores of A Processor: medians of 3 rounds." in text
    assert {row["figure"]: row["seen"] for row in read_table(text)}["`per_s`"] == "35,687"
    assert QUICK not in text


def test_groups_of_figures_are_rows_and_several_runs_columns() -> None:
    rows = {row["figure"]: row["seen"] for row in read_table(page({"notify-sqlite": [NOTIFY]})["notify-sqlite"])}
    assert (rows["`per_s`"], rows["`stock.per_s`"]) == ("594", "295")
    text = page({"endtoend": [endtoend(1000), endtoend(100_000)]})["endtoend"]
    assert {"figure": "`users`", "run 1": "1,000", "run 2": "100,000"} in read_table(text)


def test_the_summary_says_what_is_met() -> None:
    rows = summary({"fanout": [FANOUT]})
    assert list(rows[PUBLISHED].values())[1:] == ["35,687/s", "at least 20,000/s", "yes", "1 December 2026"]
    assert (rows[LOOPED]["seen"], rows[LOOPED]["met"]) == ("**9.5 times**", "**no**")


def test_the_targets_of_the_whole_way_are_for_one_audience() -> None:
    total = "a post for 100,000, from its crawl to the last recorded delivery"
    assert total not in summary({"endtoend": [endtoend(1000)]})
    assert summary({"endtoend": [endtoend(1000), endtoend(100_000)]})[total]["seen"] == "100.0 s"


def test_a_quick_trial_says_so() -> None:
    assert QUICK in page({"fanout": [FANOUT]}, quick=True)["fanout"]
    assert summary({"fanout": [FANOUT]}, quick=True)[PUBLISHED]["seen on"] == "a quick trial"


def test_what_was_not_measured_stays_in_the_summary_and_a_persons_rows_come_last() -> None:
    older = "| what | seen | target |\n| --- | --- | --- |\n| of a person | 22 of 22 | all |\n"
    older += f"| {PUBLISHED} | 1/s | much |\n| private memory of a running child | 21.7 MB | at most 25 MB |\n"
    rows = summary({"fanout": [FANOUT]}, older)
    assert list(rows) == ["private memory of a running child", PUBLISHED, LOOPED, "of a person"]
    assert rows["private memory of a running child"]["seen"] == "21.7 MB"
    assert rows[PUBLISHED]["seen"] == "35,687/s"
    assert rows["of a person"]["seen"] == "22 of 22"


def test_the_documented_page_can_be_rewritten_row_by_row() -> None:
    """What stands in the page's summary is known by the same name here, or is a person's."""
    written = blocks((ROOT / "docs/benchmarks.md").read_text(encoding="utf-8"))
    assert {"machine", "summary", *NAMES} >= set(written)
    strange = {row["what"] for row in read_table(written["summary"])} - {target.what for target in TARGETS}
    assert strange == {"real saved listings and feeds that yield what is expected"}


def test_blocks_are_replaced_and_everything_else_stays() -> None:
    assert blocks(PAGE) == {"one": "old one", "two": ""}
    new = with_blocks(PAGE, {"one": r"\1 | new", "two": "    new\n\nand more"}, {})
    assert blocks(new) == {"one": r"\1 | new", "two": "    new\n\nand more"}
    assert new.replace("\n\\1 | new\n", "\nold one\n").replace("\n    new\n\nand more\n\n", "") == PAGE
    assert with_blocks(new, blocks(new), {}) == new


def test_blocks_that_a_page_lacks_come_at_its_end_in_their_order() -> None:
    new = with_blocks(PAGE, {"four": "4", "one": "1", "three": "3"}, {"three": "The third"})
    assert list(blocks(new)) == ["one", "two", "four", "three"]
    assert new.endswith("## The third\n\n<!-- bench:three -->\n\n3\n\n<!-- /bench:three -->\n")
    assert with_blocks("", {"one": "1"}, {}).startswith(HEAD)


@pytest.mark.parametrize(
    "markers", [("one",), ("/one",), ("one", "/two"), ("one", "two", "/two", "/one"), ("one", "/one", "one", "/one")]
)
def test_markers_that_cannot_be_right_are_refused(markers: tuple[str, ...]) -> None:
    lines = [f"<!-- {'/' if '/' in name else ''}bench:{name.strip('/')} -->\n" for name in markers]
    with pytest.raises(ReportError, match=r"<!-- /?bench:"):
        blocks("".join(lines))


def test_a_table_is_written_and_read_again() -> None:
    rows = [{"name": "a|b", "count": 1234567, "share": 0.25, "sizes": [1, 1000]}, {"name": "c", "count": 0}]
    read_back = read_table(f"words\n\n{table(rows)}\n\n| another | table |\n| --- | --- |\n| 1 | 2 |\n")
    assert read_back == [
        {"name": "a|b", "count": "1,234,567", "share": "0.25", "sizes": "1 / 1,000"},
        {"name": "c", "count": "0", "share": "", "sizes": ""},
    ]
    assert table(read_back) == table(rows)


@pytest.mark.parametrize("text", ["", "no table", "| only a head |"])
def test_where_there_is_no_table_there_are_no_rows(text: str) -> None:
    assert read_table(text) == []


class Runner:
    """Stands for the commands: gives their figures, or fails; `meanwhile` is called with the command's name."""

    def __init__(self, *failing: str, meanwhile: Any = lambda _name: None) -> None:
        self.failing, self.meanwhile = failing, meanwhile
        self.ran: list[str] = []

    def __call__(self, arguments: tuple[str, ...]) -> dict[str, Any]:
        self.ran.append(arguments[0])
        self.meanwhile(arguments[0])
        if arguments[0] in self.failing:
            raise BenchmarkError(f"{arguments[0]} is broken")
        if arguments[0] == "endtoend":
            return endtoend(int(arguments[2]))
        return {"fanout": FANOUT, "notify": NOTIFY, "audience": AUDIENCE}.get(arguments[0], {"runs": 1})


def run(path: Path, runner: Runner, *names: str, quick: bool = False) -> Results:
    chosen = [BY_NAME[name] for name in names]
    return run_all(chosen, report=path, quick=quick, say=lambda _: None, run=runner)


def test_a_benchmark_that_fails_does_not_lose_the_others(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("<!-- bench:fanout -->\n\nolder figures\n\n<!-- /bench:fanout -->\n\nWords.\n")
    runner = Runner("fanout")
    found = run(path, runner, "fanout", "endtoend")
    assert runner.ran == ["fanout", "endtoend", "endtoend", "endtoend"]
    assert found.failed == {"fanout": "fanout is broken"}
    written = blocks(path.read_text())
    assert list(written) == ["fanout", "machine", "summary", "endtoend"]
    assert written["fanout"] == "older figures"
    assert found.to_json()["failed"] == found.failed
    assert set(found.to_json()["benchmarks"]) == {"endtoend"}


def test_with_only_some_the_machine_of_the_others_stays(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("<!-- bench:machine -->\n\nanother machine\n\n<!-- /bench:machine -->\n")
    run(path, Runner(), "fanout")
    assert blocks(path.read_text())["machine"] == "another machine"


def test_a_curve_is_drawn_beside_the_page_which_shows_it(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    run(path, Runner(), "audience")
    assert "(pictures/audience.svg)" in blocks(path.read_text())["audience"]
    # What was too quick to be measured has no place on it.
    assert ">0.25</text>" in (tmp_path / "pictures" / "audience.svg").read_text()


def test_what_was_measured_is_written_at_once_and_a_persons_words_stay(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.touch(0o640)

    def meanwhile(name: str) -> None:
        if name == "fanout":
            # A page that cannot be read now is tried again after the next benchmark.
            path.write_text("<!-- bench:gateway -->\n")
        elif name == "notify":
            path.write_text(path.read_text() + "<!-- /bench:gateway -->\nA person's words.\n")
        else:
            assert "35,687" in blocks(path.read_text())["fanout"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(path, Runner(meanwhile=meanwhile), "fanout", "notify-sqlite", "crawl")
    assert "A person's words." in path.read_text()
    assert {"fanout", "notify-sqlite"} <= set(blocks(path.read_text()))
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    runner = Runner()
    broken = tmp_path / "broken.md"
    broken.write_text("<!-- bench:fanout -->\n")
    for path in (tmp_path / "nowhere" / "page.md", broken):
        with pytest.raises(ReportError):
            run(path, runner, "fanout")
    assert runner.ran == []


def test_a_quick_trial_replaces_no_real_figures(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    for quick in (True, True, False):
        run(path, Runner(), "fanout", quick=quick)
    with pytest.raises(ReportError, match="figures to go by"):
        run(path, Runner(), "fanout", quick=True)


def test_the_machine_is_described() -> None:
    described = machine.describe()
    assert all(described.values())
    assert int(described["cores"]) >= 1
    assert "celery 5." in described["libraries"]
