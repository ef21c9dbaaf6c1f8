"""Who may call what: every route of the table, with every credential; and one user's token against another's things."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from pipeline.resources import now
from pipeline.settings import Settings
from pipeline.web.keys import make_server_key
from storage import api_keys
from tests.integration.pipeline.web.test_person import PHONE, owe
from tests.support.api import Api, running_api

OPEN = {("GET", "/healthz"), ("GET", "/readyz"), ("POST", "/v1/installations/token")}
BODIES = {"PATCH": {}, "POST": {}, "PUT": PHONE}
VALUES = {
    "user": "b",
    "installation": "phone-b",
    "subscription": "1",
    "notification": "1",
    "digest": "1",
    "post": "1",
    "site": "board",
}


def routes(api: Api) -> list[tuple[str, str]]:
    """Every operation of the served schema."""
    schema = api.call("GET", "/openapi.json").json()
    return [(method.upper(), path) for path, item in schema["paths"].items() for method in item]


def filled(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: VALUES[found[1]], path)


def allowed(method: str, path: str) -> set[str]:
    """Which credentials may call a route: written apart from the routes."""
    if path.startswith("/v1/me"):
        return {"user"}
    if path == "/v1/installations":
        return {"install"}
    if path.startswith("/v1/phrases"):
        return {"user", "app", "read"}
    if path.startswith("/v1/users"):
        return {"app", "read"} if method == "GET" else {"app"}
    if path.endswith("/trace"):
        return {"sites", "read"}
    return {"app", "sites", "read"} if method == "GET" else {"sites"}


@pytest.fixture(scope="module")
def api(_migrated_sqlite, _redis_server, tmp_path_factory) -> Iterator[Api]:
    path = tmp_path_factory.mktemp("api") / "crawlpush.db"
    path.write_bytes(_migrated_sqlite.read_bytes())
    with running_api(Settings(database_url=f"sqlite:///{path}", redis_url=_redis_server)) as running:
        yield running


def test_each_route_lets_in_whom_it_should_and_nobody_else(api: Api) -> None:
    token = api.token("a")
    for method, path in routes(api):
        if (method, path) in OPEN:
            continue
        for scope in ("app", "sites", "read", "install", "user"):
            answer = api.call(method, filled(path), token if scope == "user" else scope, json=BODIES.get(method))
            refused = answer.status_code == 403
            assert refused == (scope not in allowed(method, path)), (method, path, scope, answer.text)


@pytest.mark.parametrize("credential", [None, "nonsense", "cpk_000000000000_" + "a" * 43, "a.b.c"])
def test_without_a_valid_credential_nothing_is_answered(api: Api, credential: str | None) -> None:
    for method, path in routes(api):
        if (method, path) not in OPEN:
            answer = api.call(method, filled(path), credential, json=BODIES.get(method))
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert credential is None or credential not in answer.text


def test_a_token_reads_and_changes_nothing_of_somebody_elses(api: Api) -> None:
    """Over every route of the table, with the ids of another user's things."""
    a, b = api.token("a"), api.token("b")
    for token, name in ((a, "phone-a"), (b, "phone-b")):
        api.call("PUT", f"/v1/me/devices/{name}", token, json={**PHONE, "token": f"registration-of-{name}"})
        api.call("POST", "/v1/me/subscriptions", token, json={"phrase": f"keyword of {name}"})
    (number,) = owe(api, "b", ["for b alone"])
    theirs = api.call("GET", "/v1/me/subscriptions", b).json()[0]["id"]
    before = api.call("GET", "/v1/me/export", b).json()
    values = {**VALUES, "subscription": str(theirs), "notification": str(number)}
    bodies = {
        "/v1/me/notifications/read": {"ids": [number]},
        "/v1/me/notifications/{notification}/events": {"event": "opened"},
        "/v1/me/digests/{digest}/events": {"event": "read"},
        "/v1/me/subscriptions/{subscription}": {"body": True},
    }
    for method, path in sorted(routes(api)):
        # What forgets the caller, and what the phone of b itself may do with the secret that it alone has.
        if not path.startswith("/v1/me") or path in {"/v1/me", "/v1/me/claim"}:
            continue
        if path == "/v1/me/devices/{installation}" and method == "PUT":
            continue
        full = re.sub(r"\{(\w+)\}", lambda found: values[found[1]], path)
        answer = api.call(method, full, a, json=bodies.get(path, BODIES.get(method)))
        assert "for b alone" not in answer.text or "/posts" in path, (method, path)
        assert "phone-b" not in answer.text.replace("'phone-b' of this user", ""), (method, path)
    assert api.call("GET", "/v1/me/export", b).json() == before


def test_a_revoked_and_an_expired_key_are_refused_at_once(api: Api) -> None:
    new = make_server_key()
    with api.context.database.writing() as session:
        api_keys.add(session, name="old", scope="read", prefix=new.prefix, hash=new.hash, expires_at=None, now=now())
    assert api.call("GET", "/v1/sites", new.shown).status_code == 200
    with api.context.database.writing() as session:
        api_keys.revoke(session, "old", now=now())
    assert api.call("GET", "/v1/sites", new.shown).status_code == 401
    expired = make_server_key()
    with api.context.database.writing() as session:
        ended = now() - timedelta(seconds=1)
        api_keys.add(
            session, name="x", scope="read", prefix=expired.prefix, hash=expired.hash, expires_at=ended, now=ended
        )
    assert api.call("GET", "/v1/sites", expired.shown).status_code == 401


def test_two_keys_of_one_name_may_be_valid_so_that_one_can_be_rotated(api: Api) -> None:
    with api.context.database.writing() as session:
        for _ in range(2):
            new = make_server_key()
            api_keys.add(
                session, name="twin", scope="app", prefix=new.prefix, hash=new.hash, expires_at=None, now=now()
            )
        third = make_server_key()
        with pytest.raises(api_keys.ApiKeyError, match="2 valid keys"):
            api_keys.add(session, name="twin", scope="app", prefix=third.prefix, expires_at=None, now=now())


def test_the_use_of_a_key_is_remembered_and_the_key_itself_is_not(api: Api) -> None:
    api.call("GET", "/v1/sites", "read")
    with api.context.database.reading() as session:
        (key,) = [k for k in api_keys.listing(session) if k.name == "read"]
    assert key.last_used_at is not None
    assert api.keys["read"] not in repr(vars(key))


def test_whoever_asks_too_often_is_told_when_to_come_back(sqlite_url: str, redis_url: str) -> None:
    settings = Settings(database_url=sqlite_url, redis_url=redis_url, api_user_per_minute=3)
    with running_api(settings) as api:
        token = api.token("minji")
        answers = [api.call("GET", "/v1/me", token) for _ in range(5)]
        assert [answer.status_code for answer in answers[:3]] == [404, 404, 404]
        assert answers[4].status_code == 429
        assert 0 < int(answers[4].headers["retry-after"]) <= 20
        assert api.call("GET", "/v1/me", api.token("juno")).status_code == 404
