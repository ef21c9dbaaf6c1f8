"""Google's OAuth access token: one for the process, renewed ahead of time by one caller at a time."""

import ssl
import threading
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import google.auth.exceptions
import google.auth.transport
from google.oauth2.service_account import Credentials

from pipeline.errors import PipelineError
from pipeline.push.answers import short_text
from pipeline.push.channel import CLOSED, NOT_SENT
from pipeline.push.clock import Clock
from pipeline.push.fcm.connection import Answer, Request
from pipeline.push.fcm.http1 import Pool
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
    """The process' access token. Thread-safe."""

    def __init__(self, credentials: Credentials, tls: ssl.SSLContext, clock: Clock) -> None:
        """tls: how to check the token end point. clock: what Google is told the time is, which must be right."""
        self._credentials = credentials
        self._tls = tls
        self._clock = clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._fetched_at = 0.0
        self._expires_at = 0.0
        self._fetch: Future[str] | None = None
        self._failure: Outcome | None = None
        self._failed_until = 0.0

    def get(self, until: float, instead_of: str | None = None) -> str:
        """Return a token that is good for another half minute. Raises TokenError.

        until: of the monotonic clock; it is not waited for longer. instead_of: a token that FCM refused; it is returned
        again when a new one would be no better.
        """
        now = time.monotonic()
        with self._lock:
            token = self._token
            refused = token is not None and token == instead_of and now - self._fetched_at > MIN_REPLACE_S
            if token is not None and not refused and now < self._expires_at - MARGIN_S:
                if now > self._expires_at - RENEW_AHEAD_S and now > self._failed_until:
                    self._start_fetch()
                return token
            if self._failure is not None and now < self._failed_until:
                raise TokenError(self._failure)
            fetch = self._start_fetch()
        try:
            return fetch.result(max(until - now, 0.0))
        except TimeoutError:
            raise TokenError(NOT_SENT) from None
        except CancelledError:
            raise TokenError(CLOSED) from None
        except TokenError as error:
            # An exception of one's own: the traceback of a shared one would grow with each that raises it.
            raise TokenError(error.outcome) from None

    def close(self) -> None:
        """Nobody waits for a token any longer."""
        with self._lock:
            if self._fetch is not None:
                self._fetch.cancel()

    def _start_fetch(self) -> Future[str]:
        if self._fetch is None or self._fetch.done():
            self._fetch = Future()
            # A daemon: a worker that is told to stop must not wait for Google.
            threading.Thread(target=self._run, args=(self._fetch,), name="push-fcm-token", daemon=True).start()
        return self._fetch

    def _run(self, fetch: Future[str]) -> None:
        try:
            # google-auth blocks, and signs meanwhile.
            credentials = self._credentials.with_claims(self._lifetime())  # type: ignore[no-untyped-call]
            credentials.refresh(_Transport(self._tls, time.monotonic() + FETCH_TIMEOUT_S))
        except Exception as error:
            with self._lock:
                self._failure = _failure_outcome(error)
                self._failed_until = time.monotonic() + FAILURE_HOLD_S
                if fetch.set_running_or_notify_cancel():
                    fetch.set_exception(TokenError(self._failure))
            return
        expiry = credentials.expiry
        lifetime = (expiry - datetime.now(UTC).replace(tzinfo=None)).total_seconds() if expiry else 3600.0
        with self._lock:
            self._token = str(credentials.token)
            self._fetched_at = time.monotonic()
            self._expires_at = self._fetched_at + max(lifetime, 2 * MARGIN_S)
            self._failure = None
            if fetch.set_running_or_notify_cancel():
                fetch.set_result(self._token)

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

    def __init__(self, tls: ssl.SSLContext, until: float) -> None:
        """until: of the monotonic clock."""
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
        pool = Pool(url, tls=self._tls, connections=1)
        path = urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl()
        answers: list[Answer | OSError] = []
        try:
            head = pool.head(path, {**(headers or {}), "Accept": "application/json", "Accept-Encoding": "identity"})
            request = Request(head=head, body=body or b"")
            pool.exchange(
                iter([request]),
                1,
                lambda _, answer: answers.append(answer),
                until=self._until,
                timeout_s=FETCH_TIMEOUT_S,
            )
        except ValueError as error:
            answers.append(ConnectionError(str(error)))
        finally:
            pool.close()
        answer = answers[0] if answers else TimeoutError()
        if isinstance(answer, OSError) or not answer.whole:
            what = _why(answer)
            raise google.auth.exceptions.TransportError(f"{urlsplit(url).hostname}: {what}")  # type: ignore[no-untyped-call]
        return _Answer(answer.status, answer.headers, answer.body)


def _why(answer: Answer | OSError) -> str:
    """Why an answer is none."""
    if isinstance(answer, TimeoutError):
        return "no whole answer in time"
    return str(answer) if isinstance(answer, OSError) else "the answer broke off"


def _failure_outcome(error: Exception) -> Outcome:
    detail = short_text(str(error))
    if isinstance(error, google.auth.exceptions.RefreshError) and not error.retryable:
        return Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="credentials_refused", detail=detail)
    return Outcome(kind=OutcomeKind.RETRY, code="token_unavailable", detail=detail)
