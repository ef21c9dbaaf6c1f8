"""Users' tokens: JSON Web Tokens of at most a day that name the app's user id as `sub`. Pure.

The app's back end signs them with a key of `crawlpush keys add --user-tokens`, or asks us to. With one a phone reaches
/v1/me and nothing else.
"""

from datetime import datetime, timedelta

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey
from joserfc.jws import extract_compact

from pipeline.errors import PipelineError

LONGEST = timedelta(hours=24)
LEEWAY_S = 60
"""By so many seconds the clocks of the back end and of this machine may differ."""


class TokenError(PipelineError, ValueError):
    """A token that is not accepted, with the reason. Never holds the token."""


def sign(user: str, *, kid: str, secret: str, now: datetime, lasts: timedelta) -> str:
    """A token for a user, signed with a shared secret."""
    claims = {"sub": user, "iat": int(now.timestamp()), "exp": int((now + lasts).timestamp())}
    return jwt.encode({"alg": "HS256", "kid": kid}, claims, OctKey.import_key(secret))


def kid_of(token: str) -> str:
    """Which key a token says that it was signed with. Raises TokenError."""
    try:
        kid = extract_compact(token.encode()).headers().get("kid")
    except (JoseError, ValueError, TypeError):
        raise TokenError("the token is no JSON Web Token") from None
    if not isinstance(kid, str):
        raise TokenError("the token's header names no key (kid): `crawlpush keys list` shows the prefixes")
    return kid


def user_of(token: str, *, algorithm: str, verification_key: str, now: datetime) -> str:
    """The user whom a token is for. Raises TokenError for one that is forged, expired, or lasts too long."""
    key = OctKey.import_key(verification_key) if algorithm == "HS256" else ECKey.import_key(verification_key)
    try:
        claims = jwt.decode(token, key, algorithms=[algorithm]).claims
    except (JoseError, ValueError, TypeError):
        raise TokenError("the token's signature is not right") from None
    user, begins, ends = claims.get("sub"), _seconds(claims.get("iat")), _seconds(claims.get("exp"))
    if not isinstance(user, str) or not user:
        raise TokenError("the token names no user (sub)")
    if begins is None or ends is None:
        raise TokenError("the token must say when it was made (iat) and until when it holds (exp)")
    if ends - begins > LONGEST.total_seconds():
        raise TokenError(f"the token lasts longer than {LONGEST.total_seconds() / 3600:g} hours")
    at = now.timestamp()
    if at > ends + LEEWAY_S:
        raise TokenError("the token has expired: ask for a new one")
    if at < begins - LEEWAY_S:
        raise TokenError("the token is from the future: do the clocks agree?")
    return user


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
