"""One APNs provider token for the whole fleet, in Redis: Apple refuses teams whose processes each sign their own."""

import json
from contextlib import AbstractContextManager

from redis import Redis

from pipeline.locks import PREFIX
from pipeline.push.apns.provider_token import ProviderToken

LIFETIME_S = 3600
LOCK_S = 10


class RedisTokenStore:
    """Shares provider tokens between processes. Any of its methods may raise Redis' errors."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def get(self, key_id: str) -> ProviderToken | None:
        """The shared token, or None."""
        raw = self._redis.get(_key(key_id))
        if not isinstance(raw, bytes):
            return None
        kept = json.loads(raw)
        return ProviderToken(jwt=kept["jwt"], issued_at=kept["issued_at"])

    def put(self, key_id: str, token: ProviderToken) -> None:
        """Share a token for an hour, after which Apple refuses it."""
        self._redis.set(_key(key_id), json.dumps({"jwt": token.jwt, "issued_at": token.issued_at}), ex=LIFETIME_S)

    def lock(self, key_id: str) -> AbstractContextManager[object]:
        """One process at a time looks for a token and signs one."""
        lock: AbstractContextManager[object] = self._redis.lock(
            f"{PREFIX}apns-token:{key_id}", timeout=LOCK_S, blocking_timeout=LOCK_S
        )
        return lock


def _key(key_id: str) -> str:
    return f"crawlpush:apns-token:{key_id}"
