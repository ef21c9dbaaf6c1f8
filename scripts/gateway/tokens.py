"""Who may send: Google's access tokens and Apple's provider tokens, issued and checked as they do it."""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import jwt

from scripts.gateway.answers import Answer, apns_error, fcm_error
from scripts.gateway.credentials import APNS_KEY_ID, APNS_TEAM_ID, CLIENT_EMAIL, GatewayCredentials

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# google-auth names Google's end point as the audience wherever it posts the assertion.
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPES = frozenset(
    ("https://www.googleapis.com/auth/firebase.messaging", "https://www.googleapis.com/auth/cloud-platform")
)
# Google: an assertion and an access token live an hour at most (OAuth 2.0 for server to server applications).
ACCESS_TOKEN_S = 3600
# Apple: a provider token is refused after an hour, and may change every 20 minutes
# (Establishing a token-based connection to APNs).
PROVIDER_TOKEN_S = 3600
PROVIDER_TOKEN_CHANGE_S = 1200
# Seconds that a client's clock may be ahead.
CLOCK_SLACK_S = 60
_MOST_TOKENS = 10_000


def _claims(token: str, key: object, algorithm: str) -> dict[str, Any] | None:
    """Return the claims of a signed JWT, None when the signature or the form is wrong. Times are not judged."""
    try:
        claims = json.loads(jwt.PyJWS().decode(token, key, algorithms=[algorithm]))
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return claims if isinstance(claims, dict) else None


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


class AccessTokens:
    """The OAuth side: a signed assertion in, a bearer token out, an hour long."""

    def __init__(self, credentials: GatewayCredentials, now: Callable[[], float] = time.time) -> None:
        self._credentials = credentials
        self._now = now
        self._expiry: dict[str, float] = {}
        self.issued = 0

    def grant(self, form: Mapping[str, object]) -> Answer:
        """Answer a request to the token endpoint, in the shape of RFC 6749."""
        if form.get("grant_type") != GRANT_TYPE:
            return _grant_error("unsupported_grant_type", f"grant_type must be {GRANT_TYPE}.")
        claims = _claims(str(form.get("assertion", "")), self._credentials.account_key, "RS256")
        if claims is None:
            return _grant_error("invalid_grant", "Invalid JWT Signature.")
        wrong = self._wrong_claim(claims)
        if wrong:
            return _grant_error("invalid_grant", wrong)
        return self._issue()

    def _wrong_claim(self, claims: Mapping[str, Any]) -> str:
        now = self._now()
        if claims.get("iss") != CLIENT_EMAIL:
            return "Invalid grant: account not found"
        if claims.get("aud") not in (GOOGLE_AUDIENCE, self._credentials.token_uri):
            return "Invalid JWT: Failed audience check."
        if not SCOPES & set(str(claims.get("scope", "")).split()):
            return "Invalid OAuth scope or ID token audience provided."
        issued, expires = claims.get("iat"), claims.get("exp")
        if not (_is_integer(issued) and _is_integer(expires)):
            return "Invalid JWT: iat and exp must be integers."
        if not (issued <= now + CLOCK_SLACK_S and now < expires <= issued + ACCESS_TOKEN_S):
            return "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
        return ""

    def _issue(self) -> Answer:
        now = self._now()
        if len(self._expiry) >= _MOST_TOKENS:
            self._expiry = {token: end for token, end in self._expiry.items() if end > now}
        token = "ya29.loopback-" + secrets.token_urlsafe(40)
        self._expiry[token] = now + ACCESS_TOKEN_S
        self.issued += 1
        body = {"access_token": token, "expires_in": ACCESS_TOKEN_S, "token_type": "Bearer"}
        return Answer(status=200, body=json.dumps(body).encode())

    def refusal(self, authorization: str | None) -> Answer | None:
        """Return FCM's answer to a request with this Authorization header, None when it may send."""
        if not authorization:
            sentence = "Request is missing required authentication credential."
            return fcm_error("UNAUTHENTICATED", sentence, reason="CREDENTIALS_MISSING")
        scheme, _, token = authorization.partition(" ")
        expiry = self._expiry.get(token) if scheme.lower() == "bearer" else None
        if expiry is None:
            return fcm_error("UNAUTHENTICATED", reason="ACCESS_TOKEN_TYPE_UNSUPPORTED")
        if expiry <= self._now():
            return fcm_error("UNAUTHENTICATED", reason="ACCESS_TOKEN_EXPIRED")
        return None


def _grant_error(error: str, description: str) -> Answer:
    body = {"error": error, "error_description": description}
    return Answer(status=400, body=json.dumps(body).encode(), code=error)


class ProviderTokens:
    """The APNs side: each distinct provider token's signature is checked once, its age every time."""

    def __init__(self, credentials: GatewayCredentials, now: Callable[[], float] = time.time) -> None:
        self._credentials = credentials
        self._now = now
        self._verdicts: dict[str, tuple[str, int]] = {}  # authorization: (reason, iat)
        self._newest_at = 0.0  # when the newest good token was first seen
        self.seen = 0

    def refusal(self, authorization: str | None, *, strict: bool = False) -> Answer | None:
        """Return APNs' answer to a request with this authorization header, None when it may send.

        With `strict`, a second token within 20 minutes is TooManyProviderTokenUpdates, as at Apple.
        """
        if not authorization:
            return apns_error("MissingProviderToken")
        verdict = self._verdicts.get(authorization)
        if verdict is None:
            verdict = self._judge(authorization)
            if not verdict[0]:
                now = self._now()
                if strict and now - self._newest_at < PROVIDER_TOKEN_CHANGE_S:
                    return apns_error("TooManyProviderTokenUpdates")
                self._newest_at = now
                self.seen += 1
            if len(self._verdicts) >= _MOST_TOKENS:
                self._verdicts.clear()
            self._verdicts[authorization] = verdict
        reason, issued = verdict
        if reason:
            return apns_error(reason)
        age = self._now() - issued
        if age > PROVIDER_TOKEN_S:
            return apns_error("ExpiredProviderToken")
        return apns_error("InvalidProviderToken") if age < -CLOCK_SLACK_S else None

    def _judge(self, authorization: str) -> tuple[str, int]:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "MissingProviderToken", 0
        claims = _claims(token, self._credentials.apns_key, "ES256")
        if claims is None:
            return "InvalidProviderToken", 0
        header = jwt.get_unverified_header(token)
        right = header.get("kid") == APNS_KEY_ID and claims.get("iss") == APNS_TEAM_ID
        # Apple documents iat as an integer number of seconds; apns2 signs a float, so the gateway tells.
        if not (right and _is_integer(claims.get("iat"))):
            return "InvalidProviderToken", 0
        return "", int(claims["iat"])
