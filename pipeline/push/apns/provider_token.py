"""APNs' provider token (a JWT): one for the whole fleet, renewed rarely, signed again once when called stale."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import jwt

from pipeline.push.credentials import APNsKey

logger = logging.getLogger(__name__)

RENEW_AFTER_S = 2700
"""Apple: a provider token is refused after an hour, and may not be renewed more often than every 20 minutes."""
MIN_AGE_S = 1200
"""Those 20 minutes; also the shortest time between two forced signings in one process."""


@dataclass(frozen=True, kw_only=True)
class ProviderToken:
    """A signed provider token."""

    jwt: str = field(repr=False)
    issued_at: int
    """Seconds since the epoch, as in its iat."""


class ProviderTokenStore(Protocol):
    """Where the processes of a fleet share the provider token of a key. May raise anything: then each uses its own."""

    def get(self, key_id: str) -> ProviderToken | None:
        """Return the shared token, or None."""
        ...

    def put(self, key_id: str, token: ProviderToken) -> None:
        """Share a token; keep it for an hour."""
        ...

    def lock(self, key_id: str) -> AbstractContextManager[object]:
        """Let one process at a time look for a token and sign one; wait some seconds at most."""
        ...


class LocalTokenStore:
    """Shares between the channels of one process only."""

    def __init__(self) -> None:
        self._tokens: dict[str, ProviderToken] = {}
        self._lock = threading.Lock()

    def get(self, key_id: str) -> ProviderToken | None:
        """Return the token, or None."""
        return self._tokens.get(key_id)

    def put(self, key_id: str, token: ProviderToken) -> None:
        """Keep a token."""
        self._tokens[key_id] = token

    @contextmanager
    def lock(self, key_id: str) -> Iterator[None]:  # noqa: ARG002
        """Let one thread at a time sign."""
        with self._lock:
            yield


class ProviderTokens:
    """The provider token of one key in one process. Thread-safe. current() and replace() ask the store: they block."""

    def __init__(
        self,
        key: APNsKey,
        key_id: str,
        team_id: str,
        store: ProviderTokenStore,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._key_id = key_id
        self._team_id = team_id
        self._store = store
        self._clock = clock
        self._token: ProviderToken | None = None
        self._lock = threading.Lock()
        self._forced_at = float("-inf")

    def cached(self) -> str | None:
        """Return this process' token when it is fresh, without blocking."""
        token = self._token
        return token.jwt if token is not None and self._fresh(token) else None

    def current(self) -> str:
        """Return a token that is younger than 45 minutes: ours, the fleet's, or a new one."""
        with self._lock:
            if self._token is None or not self._fresh(self._token):
                self._token = self._shared(rejected=None)
            return self._token.jwt

    def replace(self, rejected: str) -> str:
        """Return a token in place of one that Apple called stale; the same one when signing again would not help."""
        with self._lock:
            if self._token is not None and self._token.jwt != rejected:
                return self._token.jwt
            if self._clock() - self._forced_at < MIN_AGE_S:
                return rejected
            self._forced_at = self._clock()
            self._token = self._shared(rejected=rejected)
            return self._token.jwt

    def _shared(self, rejected: str | None) -> ProviderToken:
        try:
            with self._store.lock(self._key_id):
                token = self._store.get(self._key_id)
                if token is not None and token.jwt != rejected and self._fresh(token):
                    return token
                token = self._sign()
                self._store.put(self._key_id, token)
                return token
        except Exception as error:
            logger.warning("provider token store unavailable", extra={"fields": {"error": type(error).__name__}})
            return self._sign()

    def _fresh(self, token: ProviderToken) -> bool:
        return -60 <= self._clock() - token.issued_at < RENEW_AFTER_S

    def _sign(self) -> ProviderToken:
        issued_at = int(self._clock())
        encoded = jwt.encode(
            {"iss": self._team_id, "iat": issued_at},
            self._key.key,
            algorithm="ES256",
            headers={"kid": self._key_id},
        )
        # PyJWT 1 returns bytes, PyJWT 2 text.
        return ProviderToken(jwt=encoded if isinstance(encoded, str) else encoded.decode("ascii"), issued_at=issued_at)
