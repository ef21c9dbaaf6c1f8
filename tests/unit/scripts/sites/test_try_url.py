import shlex
import tomllib
from typing import Any

import pytest
from click.testing import CliRunner

from scripts.sites import trial, try_url
from spiders.definitions import SiteDefinition, parse_definitions

PARAMS = {
    "url": "https://a.example/b?x=1&y=2",
    "row": r"li.w-\[40px\]",
    "title": "xpath:./a[normalize-space(.)='b']",
    "timezone": "Asia/Seoul",
    "strip": [r"re:\s*\[\d+\]$", "span.n"],
    "ignore_query": ["pos"],
}


@pytest.mark.parametrize(
    ("given", "tried"),
    [
        ("https://a.example/b", ("https://a.example/b",)),
        ("www.a.example", ("https://www.a.example", "http://www.a.example")),
        (" a.example:8080/b ", ("https://a.example:8080/b", "http://a.example:8080/b")),
        ("//a.example/b", ("https://a.example/b", "http://a.example/b")),
    ],
)
def test_an_address_without_a_scheme_is_asked_for_by_https_first(given: str, tried: tuple[str, ...]) -> None:
    assert try_url.addresses(given) == tried


def output(monkeypatch: pytest.MonkeyPatch, *arguments: str, answers: dict[str, Any] | None = None) -> tuple[int, str]:
    def proposal(definition: SiteDefinition, _: object) -> trial.Proposal:
        url = definition.params["url"]
        if answers is not None and url not in answers:
            raise trial.TrialError(f"{url} does not answer")
        return trial.Proposal(spider="listing", params=PARAMS | {"url": url}, posts=[], feeds=[], notes=[])

    monkeypatch.setattr(trial, "proposal", proposal)
    result = CliRunner().invoke(try_url.try_url, arguments)
    return result.exit_code, result.output or str(result.exception)


def test_the_proposal_is_a_command_that_a_shell_reads_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    _, text = output(monkeypatch, PARAMS["url"], "--allow-private")
    command = next(line for line in text.splitlines() if "crawlpush sites add" in line)
    words = shlex.split(command)
    assert words[:4] == ["crawlpush", "sites", "add", "NAME"]
    assert words[words.index("--row") + 1] == PARAMS["row"]
    assert words[words.index("--timezone") + 1] == "Asia/Seoul"
    assert [words[place + 1] for place, word in enumerate(words) if word == "-p"] == [
        r"strip=re:\s*\[\d+\]$",
        "strip=span.n",
        "ignore_query=pos",
    ]


def test_the_proposal_is_a_definition_too(monkeypatch: pytest.MonkeyPatch) -> None:
    _, text = output(monkeypatch, PARAMS["url"], "--allow-private")
    document = text[text.index("[sites.NAME]") :]
    found = tomllib.loads(document)["sites"]["NAME"]
    assert (found["url"], found["timezone"], found["allow_private"]) == (PARAMS["url"], "Asia/Seoul", True)
    assert found["params"] == {name: PARAMS[name] for name in ("row", "title", "strip", "ignore_query")}
    assert parse_definitions(document.replace("NAME", "name"), "test")["name"].params["row"] == PARAMS["row"]


def test_http_is_tried_where_https_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = output(monkeypatch, "a.example", answers={"http://a.example": 1})
    assert code == 0
    assert "--url http://a.example" in text


def test_the_first_failure_is_said_where_neither_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = output(monkeypatch, "a.example", answers={})
    assert code == 1
    assert "https://a.example does not answer" in text
