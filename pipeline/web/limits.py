"""Limits: a token bucket per credential, shared by all processes in Redis, and the largest body that is read."""

import logging
import math
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.web.problems import problem

logger = logging.getLogger(__name__)

PREFIX = "crawlpush:api:bucket:"
BODY_BYTES = 64 * 1024
IMPORT_BYTES = 8 * 1024 * 1024
"""Of the bulk import, which takes thousands of lines."""
IMPORT_PATH = "/v1/users:import"

_TAKE = """
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local tokens = math.min(burst, (tonumber(bucket[1]) or burst) + math.max(0, now - (tonumber(bucket[2]) or now)) * rate)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = (1 - tokens) / rate end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], math.ceil(burst / rate) + 1)
return tostring(wait)
"""


class Limiter:
    """Token buckets in Redis. Without Redis nobody is limited: the inbox is worth more than the limit."""

    def __init__(self, redis: Redis) -> None:
        self._take: Any = redis.register_script(_TAKE)
        self._away = False

    def wait_s(self, name: str, *, per_minute: float, burst: int) -> int:
        """Take a token from a bucket: 0, or the whole seconds after which there is one."""
        try:
            answer = self._take(keys=[PREFIX + name], args=[per_minute / 60, burst])
        except (RedisError, OSError):
            if not self._away:
                logger.warning("requests are not limited while Redis is away")
            self._away = True
            return 0
        self._away = False
        return math.ceil(float(answer))


class BodyLimit:
    """Refuses a body that is too long, however it is announced, before it is in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = IMPORT_BYTES if scope["path"] == IMPORT_PATH else BODY_BYTES
        body = await _body(receive, limit)
        if body is None:
            refused = problem(413, f"the body is longer than {limit} bytes")
            await refused(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The whole body; None when it is longer than the limit."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)
