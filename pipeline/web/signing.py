"""Signing users' tokens ourselves, with a secret that every process of the installation shares."""

from datetime import datetime, timedelta

from pipeline.web.context import Context
from pipeline.web.keys import SIGN, make_signing_key
from pipeline.web.user_tokens import sign
from storage import api_keys
from storage.models import ApiKey

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
