"""Keys of the API: how they look, how they are made, and how a shown one is compared with what is kept. Pure.

A key is `cpk_PREFIX_SECRET`. The prefix finds its row and may be shown in lists; of the whole only the hash is kept.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from joserfc.jwk import ECKey

from pipeline.errors import PipelineError

SERVER_SCOPES = ("app", "sites", "read", "install")
"""app: acts for any user; sites: steers sites and runs; read: only looks; install: makes anonymous phones."""
SIGN = "sign"
"""The scope of a key that signs users' tokens: it opens nothing by itself."""
ALGORITHMS = ("ES256", "HS256")
_SECRET_BYTES = 32
_KEY = re.compile(r"cpk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


class KeyChoiceError(PipelineError, ValueError):
    """A key that cannot be made as wished."""


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key at its birth: `shown` is given to a person once, the rest is kept."""

    shown: str = field(repr=False)
    prefix: str
    hash: str | None = field(default=None, repr=False)
    verification_key: str | None = field(default=None, repr=False)


def make_server_key() -> NewKey:
    """A key of 256 random bits."""
    prefix = secrets.token_hex(6)
    shown = f"cpk_{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return NewKey(shown=shown, prefix=prefix, hash=digest(shown))


def make_signing_key(algorithm: str) -> NewKey:
    """A key with which a back end signs its users' tokens; its prefix is the `kid` of their headers.

    ES256: only the public half is kept here. HS256: the secret is kept as it is, since it also checks.
    """
    prefix = secrets.token_hex(6)
    match algorithm:
        case "ES256":
            key = ECKey.generate_key("P-256", private=True)
            return NewKey(
                shown=key.as_pem(private=True).decode(),
                prefix=prefix,
                verification_key=key.as_pem(private=False).decode(),
            )
        case "HS256":
            secret = secrets.token_urlsafe(_SECRET_BYTES)
            return NewKey(shown=secret, prefix=prefix, verification_key=secret)
        case _:
            raise KeyChoiceError(f"the algorithm is {algorithm!r}: {' and '.join(ALGORITHMS)} exist")


def prefix_of(shown: str) -> str | None:
    """The prefix of a text that has the form of a key."""
    found = _KEY.fullmatch(shown)
    return found[1] if found else None


def digest(shown: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(shown.encode()).hexdigest()


def is_same(shown: str, kept: str | None) -> bool:
    """Whether a shown secret is the kept one; takes the same time wherever they differ."""
    return kept is not None and hmac.compare_digest(digest(shown), kept)


def make_installation_secret() -> str:
    """What a phone without a login keeps in its keychain."""
    return f"cpi_{secrets.token_urlsafe(_SECRET_BYTES)}"
