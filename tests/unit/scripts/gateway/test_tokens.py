import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from scripts.gateway.answers import Answer
from scripts.gateway.credentials import APNS_KEY_ID, APNS_TEAM_ID, CLIENT_EMAIL, GatewayCredentials, prepare_credentials
from scripts.gateway.tokens import GRANT_TYPE, AccessTokens, ProviderTokens
from tests.support.clock import Clock

NOW = 1_800_000_000
TOKEN_URI = "https://127.0.0.1:1/token"


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> GatewayCredentials:
    return prepare_credentials(tmp_path_factory.mktemp("gateway") / "credentials", TOKEN_URI)


def assertion(credentials: GatewayCredentials, **changes: Any) -> str:
    account = json.loads(credentials.service_account_file.read_bytes())
    claims = {
        "iss": CLIENT_EMAIL,
        "aud": "https://oauth2.googleapis.com/token",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "iat": NOW,
        "exp": NOW + 3600,
    } | changes
    return str(jwt.encode(claims, account["private_key"], algorithm="RS256").decode())


def provider_token(path: Path, kid: str = APNS_KEY_ID, algorithm: str = "ES256", **claims: Any) -> str:
    given = {"iss": APNS_TEAM_ID, "iat": NOW} | claims
    return "bearer " + str(jwt.encode(given, path.read_bytes(), algorithm=algorithm, headers={"kid": kid}).decode())


def code(answer: Answer | None) -> str:
    return answer.code if answer else "ok"


def test_an_access_token_lives_an_hour(credentials: GatewayCredentials) -> None:
    clock = Clock(float(NOW))
    tokens = AccessTokens(credentials, clock)
    answer = tokens.grant({"grant_type": GRANT_TYPE, "assertion": assertion(credentials)})
    granted = json.loads(answer.body)
    assert (answer.status, granted["expires_in"], granted["token_type"]) == (200, 3600, "Bearer")
    bearer = f"Bearer {granted['access_token']}"
    assert tokens.refusal(bearer) is None
    clock.at += 3601
    refused = tokens.refusal(bearer)
    assert refused.status == 401
    assert b"ACCESS_TOKEN_EXPIRED" in refused.body


ASSERTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "another account": ({"iss": "x@example.com"}, "account not found"),
    "another audience": ({"aud": "https://example.com"}, "audience"),
    "no scope": ({"scope": ""}, "scope"),
    "too long": ({"exp": NOW + 3601}, "short-lived"),
    "expired": ({"iat": NOW - 3600, "exp": NOW - 1}, "short-lived"),
    "from the future": ({"iat": NOW + 120, "exp": NOW + 180}, "short-lived"),
    "float times": ({"iat": NOW + 0.5}, "integers"),
}


@pytest.mark.parametrize("name", ASSERTIONS)
def test_an_assertion_with_a_wrong_claim(credentials: GatewayCredentials, name: str) -> None:
    changes, words = ASSERTIONS[name]
    form = {"grant_type": GRANT_TYPE, "assertion": assertion(credentials, **changes)}
    answer = AccessTokens(credentials, Clock(float(NOW))).grant(form)
    body = json.loads(answer.body)
    assert (answer.status, body["error"]) == (400, "invalid_grant")
    assert words in body["error_description"]


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "e30.e30."])
def test_an_assertion_that_is_none(credentials: GatewayCredentials, text: str) -> None:
    answer = AccessTokens(credentials).grant({"grant_type": GRANT_TYPE, "assertion": text})
    assert json.loads(answer.body)["error_description"] == "Invalid JWT Signature."


def test_an_unsigned_assertion(credentials: GatewayCredentials) -> None:
    unsigned = jwt.encode({"iss": CLIENT_EMAIL}, None, algorithm="none").decode()
    answer = AccessTokens(credentials).grant({"grant_type": GRANT_TYPE, "assertion": unsigned})
    assert answer.status == 400


def test_another_grant_type(credentials: GatewayCredentials) -> None:
    answer = AccessTokens(credentials).grant({"grant_type": "password"})
    assert json.loads(answer.body)["error"] == "unsupported_grant_type"


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [(None, "CREDENTIALS_MISSING"), ("Bearer x", "ACCESS_TOKEN_TYPE_UNSUPPORTED"), ("Basic x", "TYPE_UNSUPPORTED")],
)
def test_a_bearer_that_was_not_issued(credentials: GatewayCredentials, authorization: str | None, reason: str) -> None:
    answer = AccessTokens(credentials).refusal(authorization)
    assert answer.status == 401
    assert reason.encode() in answer.body


def other_key(folder: Path) -> Path:
    path = folder / "other.p8"
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


PROVIDER_TOKENS: dict[str, tuple[Callable[[Path, Path], str | None], str]] = {
    "good": (lambda key, _: provider_token(key), "ok"),
    "an hour old": (lambda key, _: provider_token(key, iat=NOW - 3600), "ok"),
    "older": (lambda key, _: provider_token(key, iat=NOW - 3601), "ExpiredProviderToken"),
    "from the future": (lambda key, _: provider_token(key, iat=NOW + 61), "InvalidProviderToken"),
    "a clock a little ahead": (lambda key, _: provider_token(key, iat=NOW + 59), "ok"),
    "float iat": (lambda key, _: provider_token(key, iat=NOW + 0.5), "InvalidProviderToken"),
    "no iat": (lambda key, _: provider_token(key, iat=None), "InvalidProviderToken"),
    "another team": (lambda key, _: provider_token(key, iss="X"), "InvalidProviderToken"),
    "another key id": (lambda key, _: provider_token(key, kid="X"), "InvalidProviderToken"),
    "another key": (lambda _, other: provider_token(other), "InvalidProviderToken"),
    "no header": (lambda key, _: None, "MissingProviderToken"),
    "not a bearer": (lambda key, _: provider_token(key).removeprefix("bearer "), "MissingProviderToken"),
    "not a JWT": (lambda key, _: "bearer abc", "InvalidProviderToken"),
    "bearer in capitals": (lambda key, _: provider_token(key).replace("bearer", "Bearer"), "ok"),
}


@pytest.mark.parametrize("name", PROVIDER_TOKENS)
def test_provider_tokens(credentials: GatewayCredentials, tmp_path: Path, name: str) -> None:
    make, expected = PROVIDER_TOKENS[name]
    tokens = ProviderTokens(credentials, Clock(float(NOW)))
    authorization = make(credentials.apns_key_file, other_key(tmp_path))
    # The second time the verdict comes from memory.
    assert [code(tokens.refusal(authorization)) for _ in range(2)] == [expected, expected]


def test_a_provider_token_expires_while_it_is_remembered(credentials: GatewayCredentials) -> None:
    clock = Clock(float(NOW))
    tokens = ProviderTokens(credentials, clock)
    authorization = provider_token(credentials.apns_key_file)
    assert tokens.refusal(authorization) is None
    clock.at += 3601
    assert code(tokens.refusal(authorization)) == "ExpiredProviderToken"


def test_a_second_provider_token_within_20_minutes_when_strict(credentials: GatewayCredentials) -> None:
    clock = Clock(float(NOW))
    tokens = ProviderTokens(credentials, clock)
    first, second = (provider_token(credentials.apns_key_file, iat=NOW - age) for age in (5, 0))
    assert tokens.refusal(first, strict=True) is None
    assert code(tokens.refusal(second, strict=True)) == "TooManyProviderTokenUpdates"
    assert tokens.refusal(first, strict=True) is None
    clock.at += 1200
    assert tokens.refusal(second, strict=True) is None
    assert tokens.seen == 2
