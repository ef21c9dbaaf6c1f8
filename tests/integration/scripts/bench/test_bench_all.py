"""`crawlpush bench all` with real benchmarks, of the smallest sizes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.bench import apart, audience, growth
from scripts.bench.errors import BenchmarkError
from scripts.bench.growth import FitError
from scripts.bench.report import blocks, read_table
from scripts.local.embedded_postgres import find_postgres
from scripts.local.embedded_redis import find_server
from tests.support.cli import crawlpush
from tests.support.services import require


def test_a_quick_run_writes_the_page(tmp_path: Path) -> None:
    require(find_server() is not None, "a redis-server")
    path = tmp_path / "report.md"
    words = ["bench", "all", "--quick", "--only", "fanout", "--report", str(path), "--json"]
    done = subprocess.run([sys.executable, "-m", "scripts.cli", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["quick"]
    assert found["failed"] == {}
    assert [target["figure"] for target in found["targets"]] == ["per_s", "ratio"]
    written = blocks(path.read_text())
    assert list(written) == ["machine", "summary", "fanout"]
    (figures,) = found["benchmarks"]["fanout"]["figures"]
    assert {row["figure"]: row["seen"] for row in read_table(written["fanout"])}["`per_s`"] == f"{figures['per_s']:,}"
    assert len(read_table(written["summary"])) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_is_named_and_makes_the_exit_code_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_arguments: object) -> None:
        raise BenchmarkError("there is no Redis on this machine")

    monkeypatch.setattr(apart, "figures", fail)
    result = crawlpush("bench", "all", "--quick", "--only", "fanout", code=1)
    assert "Error: fanout: there is no Redis on this machine" in result.output


def test_an_error_of_a_benchmark_is_its_own_sentence() -> None:
    with pytest.raises(BenchmarkError, match=r"^No such command 'nothing'"):
        apart.figures(["nothing"])
    with pytest.raises(BenchmarkError, match="printed no figures"):
        apart.figures(["--help"])


def test_an_error_that_was_told_as_json_is_its_own_sentence() -> None:
    with pytest.raises(BenchmarkError, match=r"^Invalid value for '--only'"):
        apart.figures(["growth", "--only", "nothing", "--json"])


@pytest.mark.parametrize("only", ["match", "fanout"])
def test_growth_is_fitted(only: str) -> None:
    require(find_server() is not None, "a redis-server")
    require(find_postgres() is not None, "PostgreSQL")
    figures = apart.figures(["growth", "--only", only, "--quick", "--json"])[only]
    assert len(figures["sizes"]) == len(figures["seconds"]) == 4
    assert figures["sizes"][-1] >= 30 * figures["sizes"][0]
    assert all(seconds > 0 for seconds in [figures["one_s"], *figures["seconds"]])
    # A machine that runs tests meanwhile may tell nothing of how they grow.
    assert {"start_s", "exponent"} <= set(figures)


def test_costs_that_fit_no_curve_fail_a_benchmark_and_not_a_quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "seconds_by_users", lambda sizes, _runs: dict.fromkeys(sizes, 0.1) | {2_000: 1.0})
    quick = growth.measure_growth(["match"], quick=True)["match"]
    assert quick["exponent"] is quick["start_s"] is None
    with pytest.raises(FitError, match="the sizes are too small"):
        growth.measure_growth(["match"])


def test_a_fan_out_reaches_each_audience() -> None:
    require(find_server() is not None, "a redis-server")
    require(find_postgres() is not None, "PostgreSQL")
    figures = apart.figures(["audience", "--audiences", "300,10", "--runs", "1", "--json"])
    assert [each["users"] for each in figures["audiences"]] == [10, 300]
    assert all(each["per_s"] > 0 for each in figures["audiences"])


@pytest.mark.parametrize("audiences", ["", "many", "0", "-5", "10,,20", "1000001"])
def test_audiences_that_cannot_be_are_refused(audiences: str) -> None:
    result = crawlpush("bench", "audience", "--audiences", audiences, code=2)
    assert "Error: Invalid value for '--audiences'" in result.output


@pytest.mark.parametrize("command", ["all", "audience", "growth"])
def test_help_says_what_there_is(command: str) -> None:
    assert f"  {command} " in crawlpush("bench", "--help").output
    assert "--json" in crawlpush("bench", command, "--help").output
