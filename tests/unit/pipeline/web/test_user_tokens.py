from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from pipeline.web.keys import make_signing_key
from pipeline.web.user_tokens import LONGEST, TokenError, kid_of, sign, user_of

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
SECRET = "a-secret-of-more-than-thirty-two-characters"
CLAIMS = {"sub": "minji", "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 3600}


def made(claims: dict[str, object], secret: str = SECRET) -> str:
    return jwt.encode({"alg": "HS256", "kid": "k"}, claims, OctKey.import_key(secret))


def read(token: str, now: datetime = NOW) -> str:
    return user_of(token, algorithm="HS256", verification_key=SECRET, now=now)


def test_a_token_names_its_user_and_its_key() -> None:
    token = sign("민지", kid="abc", secret=SECRET, now=NOW, lasts=timedelta(hours=1))
    assert (kid_of(token), read(token)) == ("abc", "민지")


def test_a_back_ends_own_token_is_checked_with_the_public_half_alone() -> None:
    key = make_signing_key("ES256")
    token = jwt.encode({"alg": "ES256", "kid": key.prefix}, CLAIMS, ECKey.import_key(key.shown))
    assert "PRIVATE" not in str(key.verification_key)
    assert user_of(token, algorithm="ES256", verification_key=str(key.verification_key), now=NOW) == "minji"


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({**CLAIMS, "sub": ""}, "names no user"),
        ({**CLAIMS, "sub": 7}, "names no user"),
        ({**CLAIMS, "exp": CLAIMS["iat"] + LONGEST.total_seconds() + 1}, "longer than 24 hours"),
        ({"sub": "minji", "exp": CLAIMS["exp"]}, "iat"),
        ({"sub": "minji", "iat": CLAIMS["iat"]}, "exp"),
        ({**CLAIMS, "exp": True}, "exp"),
    ],
)
def test_a_token_that_says_too_little_or_too_much_is_refused(claims: dict[str, object], sentence: str) -> None:
    with pytest.raises(TokenError, match=sentence):
        read(made(claims))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "é.é.é", made(CLAIMS)[:-4], made(CLAIMS, "x" * 40)])
def test_a_forged_or_broken_token_is_refused(token: str) -> None:
    with pytest.raises(TokenError):
        read(token)


def test_another_algorithm_than_the_keys_is_refused() -> None:
    """Else whoever knows a public key could sign with it as if it were a secret."""
    key = make_signing_key("ES256")
    forged = jwt.encode({"alg": "HS256", "kid": "k"}, CLAIMS, OctKey.import_key(SECRET))
    with pytest.raises(TokenError):
        user_of(forged, algorithm="ES256", verification_key=str(key.verification_key), now=NOW)


@pytest.mark.parametrize(
    ("later", "holds"),
    [(-3600, False), (-30, True), (0, True), (3630, True), (3700, False)],
    ids=["long before", "a clock behind", "in time", "a clock ahead", "expired"],
)
def test_clocks_may_differ_by_a_minute(later: int, holds: bool) -> None:
    at = NOW + timedelta(seconds=later)
    if holds:
        assert read(made(CLAIMS), now=at) == "minji"
    else:
        with pytest.raises(TokenError):
            read(made(CLAIMS), now=at)
