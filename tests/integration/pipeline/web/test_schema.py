"""The served OpenAPI document: it holds for whatever one sends, and released fields do not vanish from it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import checks

from pipeline.settings import Settings
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
    deadline=None,
    max_examples=5,
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


def test_whatever_is_sent_the_answer_is_as_the_schema_says(api: Api, schema: schemathesis.BaseSchema) -> None:
    """Each operation, with each credential, with what the schema allows and with what it does not."""
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in schemathesis.GenerationMode:
            _send(api, operation.as_strategy(generation_mode=mode))


def _send(api: Api, cases: SearchStrategy[schemathesis.Case]) -> None:
    @QUIET
    @given(case=cases)
    def send(case: schemathesis.Case) -> None:
        for credential in CREDENTIALS:
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
