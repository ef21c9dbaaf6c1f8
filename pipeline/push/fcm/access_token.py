"""Google's OAuth access token: one for the process, renewed ahead of time by one caller at a time."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import google.auth.exceptions
import google.auth.transport
from google.oauth2.service_account import Credentials

from pipeline.errors import PipelineError
from pipeline.push.answers import short_text
from pipeline.push.clock import Clock
from pipeline.push.fcm.http1 import Answer, Pool, Request
from pipeline.push.outcome import Outcome, OutcomeKind

RENEW_AHEAD_S = 600.0
"""A token lives an hour; the last ten minutes it is still used, while a new one is fetched."""
MARGIN_S = 30.0
"""A token this close to its end is no longer used."""
FAILURE_HOLD_S = 10.0
"""After a failed fetch nobody asks Google again for this long."""
MIN_REPLACE_S = 60.0
"""A token that is younger than this is not replaced because FCM refused it: another one would fare no better."""
ASSERTION_S = 3600
"""Google: at most an hour ("Using OAuth 2.0 for server to server applications")."""
FETCH_TIMEOUT_S = 10.0
"""Of a whole fetch, however the bytes of its answer drip in."""


class TokenError(PipelineError):
    """No access token can be had; the outcome says what that means for a message."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


class AccessTokens:
    """The process' access token. All methods run on one event loop."""

    def __init__(self, credentials: Credentials, tls: ssl.SSLContext, clock: Clock) -> None:
        """tls: how to check the token end point. clock: what Google is told the time is, which must be right."""
        self._credentials = credentials
        self._tls = tls
        self._clock = clock
        self._token: str | None = None
        self._fetched_at = 0.0
        self._expires_at = 0.0
        self._fetch: asyncio.Task[str] | None = None
        self._failure: Outcome | None = None
        self._failed_until = 0.0

    async def get(self, instead_of: str | None = None) -> str:
        """Return a token that is good for another half minute. Raises TokenError.

        instead_of: a token that FCM refused; it is returned again when a new one would be no better.
        """
        now = time.monotonic()
        token = self._token
        refused = token is not None and token == instead_of and now - self._fetched_at > MIN_REPLACE_S
        if token is not None and not refused and now < self._expires_at - MARGIN_S:
            if now > self._expires_at - RENEW_AHEAD_S and now > self._failed_until:
                self._start_fetch()
            return token
        if self._failure is not None and now < self._failed_until:
            raise TokenError(self._failure)
        # Shielded: a caller whose deadline has come must not take the token from the others.
        return await asyncio.shield(self._start_fetch())

    def _start_fetch(self) -> "asyncio.Task[str]":
        if self._fetch is None or self._fetch.done():
            self._fetch = asyncio.create_task(self._fetch_token())
            self._fetch.add_done_callback(_retrieve_exception)
        return self._fetch

    async def _fetch_token(self) -> str:
        try:
            # google-auth blocks, and signs meanwhile; what it has to say to the end point comes back to this loop.
            transport = _Transport(asyncio.get_running_loop(), self._tls, time.monotonic() + FETCH_TIMEOUT_S)
            credentials = self._credentials.with_claims(self._lifetime())  # type: ignore[no-untyped-call]
            await asyncio.to_thread(credentials.refresh, transport)
        except Exception as error:
            self._failure = _failure_outcome(error)
            self._failed_until = time.monotonic() + FAILURE_HOLD_S
            raise TokenError(self._failure) from None
        token, expiry = credentials.token, credentials.expiry
        lifetime = (expiry - datetime.now(UTC).replace(tzinfo=None)).total_seconds() if expiry else 3600.0
        self._token = str(token)
        self._fetched_at = time.monotonic()
        self._expires_at = self._fetched_at + max(lifetime, 2 * MARGIN_S)
        self._failure = None
        return self._token

    def _lifetime(self) -> dict[str, int]:
        """The claims that google-auth would make by this machine's clock."""
        issued_at = int(self._clock.now().timestamp())
        return {"iat": issued_at, "exp": issued_at + ASSERTION_S}


class _Answer(NamedTuple):
    """A google.auth.transport.Response."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _Transport(google.auth.transport.Request):
    """What google-auth asks a token end point through: each request on a connection of its own, all by one deadline.

    google-auth's transport for requests knows time-outs for a read alone: an end point whose answer drips in, or stands
    still after the head, would be waited for without an end, and with it every message.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, tls: ssl.SSLContext, until: float) -> None:
        """loop: where requests run; __call__ blocks another thread. until: of the monotonic clock."""
        self._loop = loop
        self._tls = tls
        self._until = until

    def __call__(
        self,
        url: str,
        method: str = "POST",  # noqa: ARG002 - a token is always asked for so
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the deadline is for all of the requests
        **_options: Any,
    ) -> _Answer:
        left = self._until - time.monotonic()
        request = Request(
            path=urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl(),
            headers={**(headers or {}), "Accept": "application/json", "Accept-Encoding": "identity"},
            body=body or b"",
        )
        try:
            answer = asyncio.run_coroutine_threadsafe(self._post(url, request, left), self._loop).result(left + 1)
        except (OSError, ValueError) as error:
            what = "no whole answer in time" if isinstance(error, TimeoutError) else str(error)
            sentence = f"{urlsplit(url).hostname}: {what}"
            raise google.auth.exceptions.TransportError(sentence) from error  # type: ignore[no-untyped-call]
        return _Answer(answer.status, answer.headers, answer.body)

    async def _post(self, url: str, request: Request, timeout_s: float) -> Answer:
        pool = Pool(url, tls=self._tls, connections=1)
        try:
            answer = await pool.post(request, timeout_s)
        finally:
            pool.close()
        if not answer.whole:
            raise ConnectionError("the answer broke off")
        return answer


def _failure_outcome(error: Exception) -> Outcome:
    detail = short_text(str(error))
    if isinstance(error, google.auth.exceptions.RefreshError) and not error.retryable:
        return Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="credentials_refused", detail=detail)
    return Outcome(kind=OutcomeKind.RETRY, code="token_unavailable", detail=detail)


def _retrieve_exception(task: "asyncio.Task[str]") -> None:
    """A renewal ahead of time has nobody who waits for it; its failure is kept in the object."""
    if not task.cancelled():
        task.exception()
