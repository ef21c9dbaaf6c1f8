"""Who calls: from the Authorization header to a caller with a scope, within the limits of their credential."""

import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from pipeline.web.context import Context, Services
from pipeline.web.keys import SIGN, is_same, prefix_of
from pipeline.web.problems import ProblemError
from pipeline.web.user_tokens import TokenError, kid_of, user_of
from storage import api_keys

USER = "user"
"""The scope of a user's token."""
NOTE_USE_EVERY = timedelta(minutes=1)

_bearer = HTTPBearer(
    auto_error=False,
    description="A server key (`crawlpush keys add`), or for /v1/me a user's token (JSON Web Token).",
)
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody whose credential was checked."""

    scope: str
    # What the limit counts by: never the credential itself.
    name: str
    # Of a user's token: the app's id of the user.
    user: str | None = None


def _caller(services: Services, header: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
    if header is None:
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED, "the request has no credential: send Authorization: Bearer ...", _CHALLENGE
        )
    prefix = prefix_of(header.credentials)
    caller = _by_key(services, prefix, header.credentials) if prefix else _by_token(services, header.credentials)
    settings = services.settings
    per_minute = settings.api_user_per_minute if caller.user is not None else settings.api_key_per_minute
    check_limit(services, caller.name, per_minute=per_minute)
    return caller


def check_limit(services: Context, name: str, *, per_minute: float) -> None:
    """Raise 429 when somebody asked more often than they may; up to a minute's worth may come at once."""
    wait = services.limiter.wait_s(name, per_minute=per_minute, burst=max(1, int(per_minute)))
    if wait:
        detail = f"too many requests: ask again in {wait} s"
        raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": str(wait)})


def _by_key(services: Context, prefix: str, shown: str) -> Caller:
    at = services.clock()
    with services.database.reading() as session:
        key = api_keys.valid_key(session, prefix, now=at)
    if key is None or not is_same(shown, key.hash):
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "the key is not valid: it is wrong, expired or revoked", _CHALLENGE)
    _note_use(services, key.id, key.last_used_at, at)
    return Caller(scope=key.scope, name=f"key:{key.id}")


_noting = threading.Lock()


def _note_use(services: Context, key_id: int, last: datetime | None, at: datetime) -> None:
    """Remember the use of a key, once a minute, and by one request alone."""
    if (last is None or at - last > NOTE_USE_EVERY) and _noting.acquire(blocking=False):
        try:
            with services.database.writing() as session:
                api_keys.note_use(session, key_id, now=at)
        finally:
            _noting.release()


def _by_token(services: Context, token: str) -> Caller:
    at = services.clock()
    try:
        with services.database.reading() as session:
            key = api_keys.valid_key(session, kid_of(token), now=at)
        if key is None or key.scope != SIGN or key.algorithm is None or key.verification_key is None:
            raise TokenError("the key that signed the token is not known, expired or revoked")
        user = user_of(token, algorithm=key.algorithm, verification_key=key.verification_key, now=at)
    except TokenError as error:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, str(error), _CHALLENGE) from None
    return Caller(scope=USER, name=f"user:{user}", user=user)


def allow(*scopes: str) -> Callable[..., Awaitable[Caller]]:
    """A dependency that lets callers of some scopes in."""

    # async, as all that waits for nothing: it runs at once, where a plain function costs a turn on a thread.
    async def allowed(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        if caller.scope not in scopes:
            what = "a user's token" if caller.scope == USER else f"a key of scope {caller.scope}"
            raise ProblemError(HTTPStatus.FORBIDDEN, f"{what} may not do this: it takes {' or '.join(scopes)}")
        return caller

    return allowed


def address(request: Request) -> str:
    """Where an anonymous request comes from, for its limit."""
    return request.client.host if request.client else "unknown"
