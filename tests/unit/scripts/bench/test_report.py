from typing import Any

import click
import pytest

from scripts.bench import everything, plots, plotting, suite
from scripts.bench.errors import BenchmarkError
from scripts.bench.everything import ReportError, run_all
from scripts.bench.page import blocks, write
from scripts.bench.report import QUICK, Result, Stamp, block, summary_block
from scripts.bench.suite import NAMES, Benchmark
from scripts.bench.tables import read_table
from scripts.bench.targets import TARGETS
from scripts.commands.bench import bench
from tests.acceptance.documented import ROOT

STAMP = Stamp(date="1 December 2026", product="1.2.3 (abc1234)", processor="A Processor", cores=2)
BY_NAME = {benchmark.name: benchmark for benchmark in suite.suite()}
FANOUT = {"rounds": 3, "users": 100_000, "per_s": 35_687, "ratio": 9.5}
STOCK = {"per_s": 295, "of_noop": 0.42, "lone_ms": 102}
NOTIFY = {"rounds": 3, "count": 4000, "per_s": 594, "of_noop": 0.22, "lone_ms": 118, "lost": 0, "stock": STOCK}


def endtoend(users: int) -> dict[str, Any]:
    return {
        "users": users,
        "total_s": users / 1000,
        "first_s": 2.5,
        "per_s": 900,
        "second_s": 1.5,
        "peak_mb": {"notifier": 120},
        "largest_mb": 120,
        "lost": 0,
        "shown_twice": 0,
        "targets": {"total_s": 100},
    }


def result(name: str, *runs: dict[str, Any]) -> Result:
    return Result(benchmark=BY_NAME[name], runs=runs)


def summary(results: list[Result], older: str = "", *, quick: bool = False) -> dict[str, dict[str, str]]:
    stamp = Stamp(date=STAMP.date, product="", processor="", cores=1, quick=quick)
    return {row["what"]: row for row in read_table(summary_block(results, stamp, older))}


@pytest.mark.parametrize("quick", [False, True])
def test_each_benchmark_runs_a_command_that_there_is(quick: bool) -> None:
    for benchmark in suite.suite(quick=quick, audiences=(1_000_000,)):
        for arguments in benchmark.commands:
            parsed = bench.commands[arguments[0]].make_context(arguments[0], list(arguments[1:]))
            assert parsed.params["as_json"]


def test_each_command_of_bench_but_the_soak_is_among_all() -> None:
    assert {each[0] for b in suite.suite() for each in b.commands} | {"all", "soak"} == set(bench.commands)


def test_the_audiences_of_the_whole_way_can_be_chosen() -> None:
    (whole_way,) = (b for b in suite.suite(audiences=(10, 20)) if b.name == "endtoend")
    assert whole_way.command_lines == [f"crawlpush bench endtoend --users {n} --json" for n in (10, 20)]


def test_a_block_has_its_command_its_date_and_its_figures() -> None:
    text = block(result("fanout", FANOUT), STAMP, {"a.png": "what it shows"})
    assert text.startswith("    crawlpush bench fanout --users 100000 --json\n\n")
    assert (
        "Seen on 1 December 2026 with crawlpush 1.2.3 (abc1234) on 2 cores of A Processor: medians of 3 rounds." in text
    )
    assert {row["figure"]: row["seen"] for row in read_table(text)}["`per_s`"] == "35,687"
    assert text.endswith("![what it shows](a.png)")
    assert QUICK not in text


def test_a_quick_trial_says_so_in_each_block() -> None:
    stamp = Stamp(date="today", product="", processor="", cores=1, quick=True)
    assert QUICK in block(result("fanout", FANOUT), stamp, {})
    assert summary([result("fanout", FANOUT)], quick=True)[TARGETS[9].what]["seen on"] == "a quick trial"


def test_both_transports_are_rows_of_one_table() -> None:
    rows = read_table(block(result("notify-sqlite", NOTIFY), STAMP, {}))
    assert [(row["transport"], row["per_s"]) for row in rows] == [("bulk", "594"), ("stock", "295")]


def test_each_audience_is_a_row() -> None:
    text = block(result("endtoend", endtoend(1000), endtoend(10_000)), STAMP, {})
    assert "targets" not in text
    assert [(row["users"], row["peak_mb"]) for row in read_table(text)] == [
        ("1,000", "notifier 120"),
        ("10,000", "notifier 120"),
    ]
    audiences = [{"users": 10, "per_s": 5}, {"users": 1_000_000, "per_s": 6}]
    text = block(result("audience", {"runs": 3, "audiences": audiences}), STAMP, {})
    assert plots.points({"audience": text}, "audience", "per_s") == [(10, 5), (1_000_000, 6)]


def test_the_summary_says_what_is_met() -> None:
    rows = summary([result("fanout", FANOUT), result("notify-sqlite", NOTIFY)])
    published = rows["notify messages published, one process"]
    assert (published["seen"], published["target"], published["met"], published["seen on"]) == (
        "35,687/s",
        "at least 20,000/s",
        "yes",
        "1 December 2026",
    )
    looped = rows["the same beside `apply_async` in a loop"]
    assert (looped["seen"], looped["met"]) == ("**9.5 times**", "**no**")
    assert rows["beside an empty task, on kombu's own transport, SQLite"]["seen"] == "**0.42**"


def test_the_targets_of_the_whole_way_are_for_one_audience() -> None:
    assert not summary([result("endtoend", endtoend(1000))])
    rows = summary([result("endtoend", endtoend(1000), endtoend(100_000))])
    assert rows["a post for 100,000, from its crawl to the last recorded delivery"]["seen"] == "100.0 s"


def test_what_was_not_measured_stays_in_the_summary_and_a_persons_rows_come_last() -> None:
    older = "| what | seen | target |\n| --- | --- | --- |\n| of a person | 22 of 22 | all |\n"
    older += "| notify messages published, one process | 1/s | much |\n"
    older += "| private memory of a running child | 21.7 MB | at most 25 MB |\n"
    rows = summary([result("fanout", FANOUT)], older)
    assert list(rows) == [
        "private memory of a running child",
        "notify messages published, one process",
        "the same beside `apply_async` in a loop",
        "of a person",
    ]
    assert rows["private memory of a running child"]["seen"] == "21.7 MB"
    assert rows["notify messages published, one process"]["seen"] == "35,687/s"
    assert rows["of a person"]["seen"] == "22 of 22"


def test_the_documented_page_can_be_rewritten_row_by_row() -> None:
    """What stands in the page's summary is known by the same name here, or is a person's."""
    written = blocks((ROOT / "docs/benchmarks.md").read_text(encoding="utf-8"))
    assert {"machine", "summary", *NAMES} >= set(written)
    strange = {row["what"] for row in read_table(written["summary"])} - {target.what for target in TARGETS}
    assert strange == {"real saved listings and feeds that yield what is expected"}


def test_the_curves_are_read_from_the_page() -> None:
    whole_way = block(result("endtoend", endtoend(1000), endtoend(10_000)), STAMP, {})
    assert list(plots.throughput({"endtoend": whole_way})) == ["the whole way: recorded deliveries"]
    assert list(plots.latency({"endtoend": whole_way}).values()) == [
        [(1000, 1.0), (10_000, 10.0)],
        [(1000, 2.5), (10_000, 2.5)],
    ]
    assert plots.throughput({}) == plots.latency({"audience": "nothing"}) == {}


class Runner:
    """Stands for the commands: gives their figures, or fails."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.ran: list[str] = []

    def __call__(self, arguments: tuple[str, ...]) -> dict[str, Any]:
        self.ran.append(arguments[0])
        if arguments[0] in self.failing:
            raise BenchmarkError(f"{arguments[0]} is broken")
        if arguments[0] == "endtoend":
            return endtoend(int(arguments[2]))
        return {"fanout": FANOUT, "notify": NOTIFY}.get(arguments[0], {"runs": 1})


def chosen(*names: str) -> list[Benchmark]:
    return [BY_NAME[name] for name in names]


@pytest.fixture(autouse=True)
def _nothing_to_draw_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plotting, "can_draw", lambda: False)


def test_a_benchmark_that_fails_does_not_lose_the_others(tmp_path: Any) -> None:
    path, said = tmp_path / "page.md", []
    write(path, "<!-- bench:fanout -->\n\nolder figures\n\n<!-- /bench:fanout -->\n\nWords.\n")
    runner = Runner("fanout")
    found = run_all(chosen("fanout", "endtoend"), report=path, quick=False, say=said.append, run=runner)
    assert runner.ran == ["fanout", "endtoend", "endtoend", "endtoend"]
    assert found.failed == {"fanout": "fanout is broken"}
    written = blocks(path.read_text())
    assert list(written) == ["fanout", "machine", "summary", "endtoend"]
    assert written["fanout"] == "older figures"
    assert len(read_table(written["endtoend"])) == 3
    assert any("fanout is broken" in line for line in said)
    assert said[-1] == f"The plots are left as they are: {plotting.NEEDS}"
    assert found.to_json()["failed"] == found.failed
    assert set(found.to_json()["benchmarks"]) == {"endtoend"}


def test_with_only_some_the_machine_of_the_others_stays(tmp_path: Any) -> None:
    path = tmp_path / "page.md"
    write(path, "<!-- bench:machine -->\n\nanother machine\n\n<!-- /bench:machine -->\n")
    run_all(chosen("fanout"), report=path, quick=False, say=lambda _: None, run=Runner())
    assert blocks(path.read_text())["machine"] == "another machine"


def test_the_report_is_written_after_each(tmp_path: Any) -> None:
    path = tmp_path / "page.md"

    def run(arguments: tuple[str, ...]) -> dict[str, Any]:
        if arguments[0] != "fanout":
            assert "fanout" in blocks(path.read_text())
            raise KeyboardInterrupt
        return FANOUT

    with pytest.raises(KeyboardInterrupt):
        run_all(chosen("fanout", "endtoend"), report=path, quick=False, say=lambda _: None, run=run)
    assert "35,687" in blocks(path.read_text())["fanout"]


def test_what_a_person_writes_meanwhile_stays_and_a_broken_page_is_tried_again(tmp_path: Any) -> None:
    path = tmp_path / "page.md"

    def run(arguments: tuple[str, ...]) -> dict[str, Any]:
        page = path.read_text() if path.exists() else ""
        if arguments[0] == "fanout":
            path.write_text(page + "<!-- bench:gateway -->\n")
        elif arguments[0] == "notify":
            path.write_text(page + "<!-- /bench:gateway -->\nA person's words.\n")
        return Runner()(arguments)

    found = run_all(chosen("fanout", "notify-sqlite"), report=path, quick=False, say=lambda _: None, run=run)
    assert found.failed == {}
    assert "A person's words." in path.read_text()
    assert {"fanout", "notify-sqlite"} <= set(blocks(path.read_text()))


def test_a_report_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Any) -> None:
    runner = Runner()
    broken = tmp_path / "broken.md"
    broken.write_text("<!-- bench:fanout -->\n")
    for path in (tmp_path / "nowhere" / "page.md", broken):
        with pytest.raises(ReportError):
            run_all(chosen("fanout"), report=path, quick=False, say=lambda _: None, run=runner)
    assert runner.ran == []


def test_a_quick_trial_replaces_no_real_figures(tmp_path: Any) -> None:
    path = tmp_path / "page.md"
    for _ in range(2):
        run_all(chosen("fanout"), report=path, quick=True, say=lambda _: None, run=Runner())
    run_all(chosen("fanout"), report=path, quick=False, say=lambda _: None, run=Runner())
    with pytest.raises(ReportError, match="figures to go by"):
        run_all(chosen("fanout"), report=path, quick=True, say=lambda _: None, run=Runner())


def test_curves_are_drawn_when_one_of_their_points_was_measured(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, int]] = []
    monkeypatch.setattr(plotting, "can_draw", lambda: True)
    monkeypatch.setattr(plots, "draw", lambda path, curves, ylabel: drawn.append((path.name, len(curves))))
    path = tmp_path / "page.md"
    run_all(chosen("fanout"), report=path, quick=False, say=lambda _: None, run=Runner())
    assert drawn == []
    run_all(chosen("endtoend"), report=path, quick=False, say=lambda _: None, run=Runner())
    assert drawn == [("throughput.png", 1), ("latency.png", 2)]
    assert "(latency.png)" in path.read_text()


def test_a_plot_without_matplotlib_is_refused_before_the_measurement() -> None:
    with pytest.raises(click.ClickException, match=r"pip install 'crawlpush\[bench\]'"):
        plotting.require_drawing()


def test_the_machine_is_described() -> None:
    described = everything.machine.describe()
    assert all(described.values())
    assert int(described["cores"]) >= 1
    assert "celery 5." in described["libraries"]
