"""Google's OAuth access token: one for the process, renewed ahead of time by one caller at a time."""

import asyncio
import time
from datetime import UTC, datetime
from functools import partial

import google.auth.exceptions
import requests
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials

from pipeline.errors import PipelineError
from pipeline.push.answers import short_text
from pipeline.push.outcome import Outcome, OutcomeKind

RENEW_AHEAD_S = 600.0
"""A token lives an hour; the last ten minutes it is still used, while a new one is fetched."""
MARGIN_S = 30.0
"""A token this close to its end is no longer used."""
FAILURE_HOLD_S = 10.0
"""After a failed fetch nobody asks Google again for this long."""
MIN_REPLACE_S = 60.0
"""A token that is younger than this is not replaced because FCM refused it: another one would fare no better."""
FETCH_TIMEOUT_S = 10.0


class TokenError(PipelineError):
    """No access token can be had; the outcome says what that means for a message."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


class AccessTokens:
    """The process' access token. All methods run on one event loop."""

    def __init__(self, credentials: Credentials, ca_file: str | None) -> None:
        """ca_file: certificates to check the token end point against, when it is not a public one."""
        self._credentials = credentials
        # Given with each request, because a REQUESTS_CA_BUNDLE in the environment would win over the session's own.
        trust = {"verify": ca_file} if ca_file else {}
        self._request = partial(Request(requests.Session()), timeout=FETCH_TIMEOUT_S, **trust)
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
            # google-auth speaks requests, which blocks.
            await asyncio.to_thread(self._credentials.refresh, self._request)
        except Exception as error:
            self._failure = _failure_outcome(error)
            self._failed_until = time.monotonic() + FAILURE_HOLD_S
            raise TokenError(self._failure) from None
        token, expiry = self._credentials.token, self._credentials.expiry
        lifetime = (expiry - datetime.now(UTC).replace(tzinfo=None)).total_seconds() if expiry else 3600.0
        self._token = str(token)
        self._fetched_at = time.monotonic()
        self._expires_at = self._fetched_at + max(lifetime, 2 * MARGIN_S)
        self._failure = None
        return self._token


def _failure_outcome(error: Exception) -> Outcome:
    detail = short_text(str(error))
    if isinstance(error, google.auth.exceptions.RefreshError) and not error.retryable:
        return Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="credentials_refused", detail=detail)
    return Outcome(kind=OutcomeKind.RETRY, code="token_unavailable", detail=detail)


def _retrieve_exception(task: "asyncio.Task[str]") -> None:
    """A renewal ahead of time has nobody who waits for it; its failure is kept in the object."""
    if not task.cancelled():
        task.exception()
