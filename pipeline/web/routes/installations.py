"""Phones without a login: an anonymous user for each, and the way to a known one when somebody logs in.

Their tokens are signed with a secret that every process of the installation shares.
"""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from pipeline.people import entries
from pipeline.web.callers import USER, Caller, address, allow, check_limit
from pipeline.web.context import Context, Services
from pipeline.web.keys import SIGN, digest, make_installation_secret, make_signing_key
from pipeline.web.problems import ProblemError
from pipeline.web.schemas.people import ClaimOut, InstallIn, InstallOut, SecretIn, TokenIn, TokenOut
from pipeline.web.user_tokens import sign
from storage import api_keys, bulk, installations, users
from storage.models import ApiKey

router = APIRouter(tags=["installations"])

LASTS = timedelta(hours=24)


@router.post("/v1/installations", status_code=HTTPStatus.CREATED, summary="Make an anonymous user for a phone")
def install(
    body: InstallIn, request: Request, services: Services, _: Annotated[Caller, Depends(allow("install"))]
) -> InstallOut:
    """The key of scope install may stand in the app's binary: this is all that it can do, and only so often."""
    _limit(services, request)
    zone = entries.user_entry({"user": "new", "timezone": body.timezone}).timezone or "UTC"
    secret = make_installation_secret()
    with services.database.writing() as session:
        user = installations.add(session, secret_hash=digest(secret), timezone=zone, now=services.clock())
    token, expires_at = token_for(services, user.external_id, LASTS)
    return InstallOut(user=user.external_id, secret=secret, token=token, expires_at=expires_at)


@router.post("/v1/installations/token", summary="A new token for the phone that holds an installation's secret")
def renew(body: SecretIn, request: Request, services: Services) -> TokenOut:
    """The secret is the credential: it stands in the body, so that no proxy logs it."""
    _limit(services, request)
    with services.database.reading() as session:
        user = installations.owner(session, digest(body.secret))
    if user is None:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "the installation is not known: make a new one")
    token, expires_at = token_for(services, user.external_id, LASTS)
    return TokenOut(token=token, expires_at=expires_at)


@router.post("/v1/me/claim", tags=["me"], summary="Join an anonymous phone to the user who logged in on it")
def claim(body: SecretIn, caller: Annotated[Caller, Depends(allow(USER))], services: Services) -> ClaimOut:
    """The known user keeps keywords, phones and inbox of both; doing it again changes nothing."""
    name = entries.check_user_id(str(caller.user))
    with services.database.writing() as session:
        bulk.store_users(session, [bulk.UserEntry(user=name)], now=services.clock())
        joined = installations.claim(session, digest(body.secret), users.by_external_id(session, name).id)
    return ClaimOut(**vars(joined))


@router.post("/v1/users/{user}/tokens", tags=["user"], summary="A token with which this user's phone reaches /v1/me")
def make_token(user: str, body: TokenIn, services: Services, _: Annotated[Caller, Depends(allow("app"))]) -> TokenOut:
    """For a back end that does not sign tokens itself."""
    token, expires_at = token_for(services, entries.check_user_id(user), timedelta(seconds=body.seconds))
    return TokenOut(token=token, expires_at=expires_at)


def _limit(services: Context, request: Request) -> None:
    check_limit(services, f"install:{address(request)}", per_minute=services.settings.api_installs_per_minute)


OWN = "crawlpush"
"""The name of the key that is ours; `crawlpush keys revoke crawlpush` makes every token void that it signed."""


def token_for(services: Context, user: str, lasts: timedelta) -> tuple[str, datetime]:
    """A token for a user, and when it ends."""
    at = services.clock()
    key = _own_key(services, at)
    return sign(user, kid=key.prefix, secret=str(key.verification_key), now=at, lasts=lasts), at + lasts


def _own_key(services: Context, at: datetime) -> ApiKey:
    with services.database.reading() as session:
        found = api_keys.named(session, OWN, SIGN, now=at)
    if found is not None:
        return found
    new = make_signing_key("HS256")
    with services.database.writing() as session:
        # Two processes that find none at once make two: either is good, and each finds the other's by its prefix.
        return api_keys.named(session, OWN, SIGN, now=at) or api_keys.add(
            session,
            name=OWN,
            scope=SIGN,
            prefix=new.prefix,
            algorithm="HS256",
            verification_key=new.verification_key,
            expires_at=None,
            now=at,
        )
