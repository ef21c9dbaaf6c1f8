"""The served OpenAPI document: it holds for whatever one sends, and released fields do not vanish from it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.stateful import run_state_machine_as_test
from hypothesis.strategies import SearchStrategy
from schemathesis import checks

from pipeline.settings import Settings
from scripts import openapi
from tests.integration.pipeline.web.test_person import PHONE, owe
from tests.support.api import Api, running_api

KEPT = Path(__file__).parents[4] / "docs" / "openapi.json"
CREDENTIALS = ("app", "sites", "read", "install", "user", "nobody")

checks.load_all_checks()
CHECKS = [
    checks.not_a_server_error,
    *checks.CHECKS.get_by_names(
        [
            "status_code_conformance",
            "content_type_conformance",
            "response_headers_conformance",
            "response_schema_conformance",
        ]
    ),
]
QUIET = settings(
    max_examples=3,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


@pytest.fixture(scope="module")
def api(_migrated_sqlite, _redis_server, tmp_path_factory) -> Iterator[Api]:
    path = tmp_path_factory.mktemp("api") / "crawlpush.db"
    path.write_bytes(_migrated_sqlite.read_bytes())
    unlimited = {"api_user_per_minute": 1_000_000, "api_key_per_minute": 1_000_000, "api_installs_per_minute": 1e6}
    settings = Settings(database_url=f"sqlite:///{path}", redis_url=_redis_server, **unlimited)
    with running_api(settings) as running:
        token = running.token("minji")
        running.call("PUT", "/v1/me/devices/phone-1", token, json={**PHONE, "platform": "console"})
        owe(running, "minji", ["one", "two"])
        running.keys |= {"user": token}
        yield running


@pytest.fixture(scope="module")
def schema(api: Api) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{api.url}/openapi.json")


@schemathesis.serializer("application/x-ndjson")
def _json_lines(_context: object, value: object) -> bytes:
    return str(value).encode("utf-8", "replace")


@pytest.mark.full
def test_calls_that_follow_from_one_another_keep_to_the_schema_too(api: Api, schema: schemathesis.BaseSchema) -> None:
    """A state machine over the operations: what one answers is what the next is asked for."""
    headers = {"Authorization": f"Bearer {api.keys['app']}"}

    class Calls(schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, object]:
            return {"headers": headers}

        def validate_response(self, response: object, case: schemathesis.Case, **_: object) -> None:
            case.validate_response(response, checks=CHECKS)  # type: ignore[arg-type]

    run_state_machine_as_test(Calls, settings=settings(QUIET, max_examples=10, stateful_step_count=12))


def test_whatever_is_sent_the_answer_is_as_the_schema_says(api: Api, schema: schemathesis.BaseSchema) -> None:
    """Each operation, with each credential, with what the schema allows and with what it does not."""
    for result in schema.get_all_operations():
        operation = result.ok()
        # With the key that may, these load Scrapy and fetch a page: test_sites.py has them.
        slow = operation.label in {"POST /v1/sites", "PATCH /v1/sites/{site}", "POST /v1/sites:try"}
        credentials = [each for each in CREDENTIALS if not (slow and each == "sites")]
        for mode in schemathesis.GenerationMode:
            _send(api, operation.as_strategy(generation_mode=mode), credentials)


def _send(api: Api, cases: SearchStrategy[schemathesis.Case], credentials: list[str]) -> None:
    @QUIET
    @given(case=cases)
    def send(case: schemathesis.Case) -> None:
        for credential in credentials:
            headers = {} if credential == "nobody" else {"Authorization": f"Bearer {api.keys[credential]}"}
            case.call_and_validate(headers=headers, checks=CHECKS)

    try:
        send()
    except Unsatisfiable:
        # An operation without parameters has nothing that could be wrong.
        return


def test_the_document_in_docs_is_the_one_that_is_served(api: Api) -> None:
    """`python -m scripts.openapi` writes it anew."""
    assert json.loads(KEPT.read_text(encoding="utf-8")) == api.call("GET", "/openapi.json").json()


SERVED = {
    "paths": {"/v1/me": {"get": {}, "patch": {}}},
    "components": {"schemas": {"UserOut": {"properties": {"user": {}, "badge": {}}}, "UserIn": {"required": ["user"]}}},
}


@pytest.mark.parametrize(
    ("later", "gone"),
    [
        (SERVED, []),
        ({**SERVED, "paths": {"/v1/me": {"get": {}}, "/v1/more": {"get": {}}}}, ["PATCH /v1/me"]),
        ({**SERVED, "components": {"schemas": {"UserOut": {"properties": {"user": {}}}}}}, ["UserIn", "UserOut.badge"]),
        (
            {
                **SERVED,
                "components": {
                    "schemas": {**SERVED["components"]["schemas"], "UserIn": {"required": ["user", "zone"]}}
                },
            },
            ["UserIn.zone is required"],
        ),
    ],
)
def test_what_an_app_may_lean_on_does_not_vanish(later: dict[str, Any], gone: list[str]) -> None:
    assert openapi.broken(SERVED, later) == gone
