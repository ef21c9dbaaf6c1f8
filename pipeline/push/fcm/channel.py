"""Firebase Cloud Messaging, HTTP v1: one request per message over one pool of kept connections.

pyfcm supplies the credentials, the end point and the form of the payload. Its own requests are not used: they sleep and
repeat themselves without bound on Retry-After, its urllib3 session sends a POST again by itself after a timeout or a
503, each thread fetches an access token of its own, and every 403 and 404 is read as the token's fault.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from pyfcm import FCMNotification

from pipeline.push.answers import classify_fcm, short_text
from pipeline.push.channel import NOT_SENT
from pipeline.push.clock import Clock
from pipeline.push.credentials import load_service_account, tls_context
from pipeline.push.fcm.access_token import AccessTokens, TokenError
from pipeline.push.fcm.http1 import Pool, Request, TooLateError
from pipeline.push.loop_channel import LoopChannel, fitted
from pipeline.push.message import Message
from pipeline.push.outcome import Outcome, OutcomeKind
from pipeline.push.payload import fcm_payload

logger = logging.getLogger(__name__)


class FCMChannel(LoopChannel):
    """Sends to Android devices (and to whatever else a Firebase project has tokens for)."""

    name = "fcm"

    def __init__(
        self,
        service_account_file: str,
        *,
        endpoint: str,
        ca_file: str | None = None,
        timeout_s: float = 10.0,
        connections: int = 100,
        clock: Clock | None = None,
    ) -> None:
        """Check the credentials, without any network.

        timeout_s: of one request. connections: most sockets to FCM from this process, each carrying one request
        at a time. Raises CredentialsError.
        """
        super().__init__(clock)
        load_service_account(service_account_file)
        self._client = FCMNotification(service_account_file=service_account_file)
        self._client.FCM_END_POINT_BASE = endpoint.rstrip("/") + "/v1/projects"
        self._path = urlsplit(self._client.fcm_end_point).path
        self._endpoint = endpoint
        self._tls = tls_context(ca_file)
        self._tokens = AccessTokens(self._client.credentials, self._tls, self._clock)
        self._timeout_s = timeout_s
        self._connections = connections
        self._pool: Pool | None = None

    async def _close_connections(self) -> None:
        if self._pool is not None:
            self._pool.close()

    async def _send_batch(self, messages: Sequence[Message], until: float, validate_only: bool) -> list[Outcome]:
        """Let as many workers as there are connections take the messages in turn, until the deadline."""
        outcomes: list[Outcome] = [NOT_SENT] * len(messages)
        turns = iter(range(len(messages)))
        workers = [
            asyncio.create_task(self._work(messages, turns, outcomes, until, validate_only))
            for _ in range(min(len(messages), self._connections))
        ]
        if workers:
            _, late = await asyncio.wait(workers, timeout=max(until - time.monotonic(), 0.0))
            for worker in late:
                worker.cancel()
            for result in await asyncio.gather(*workers, return_exceptions=True):
                if isinstance(result, Exception):
                    logger.error("push worker failed", exc_info=result)
        return outcomes

    async def _work(
        self,
        messages: Sequence[Message],
        turns: Iterator[int],
        outcomes: list[Outcome],
        until: float,
        validate_only: bool,
    ) -> None:
        for index in turns:
            if time.monotonic() >= until:
                continue
            result = fitted(messages[index], lambda message: self._encode(message, validate_only))
            if isinstance(result, Outcome):
                outcomes[index] = result
                continue
            request = Request(path=self._path, headers={}, body=result[1], until=until)
            try:
                outcomes[index] = await self._send_one(request)
            except asyncio.CancelledError:
                outcomes[index] = _lost("timeout", "no answer by the deadline") if request.sent else NOT_SENT
                raise

    def _encode(self, message: Message, validate_only: bool) -> bytes:
        form = fcm_payload(message, self._clock.now())
        encoded: bytes = self._client.parse_payload(
            fcm_token=form["token"],
            notification_title=form["notification"]["title"],
            notification_body=form["notification"]["body"],
            notification_image=form["notification"].get("image"),
            data_payload=form.get("data"),
            android_config=form["android"],
            apns_config=form["apns"],
            webpush_config=form["webpush"],
            dry_run=validate_only,
        )
        return encoded

    async def _send_one(self, request: Request) -> Outcome:
        """Send one message; once more after a 401, which is certain not to have been handled."""
        try:
            token = await self._tokens.get()
            outcome = await self._post(request, token)
            if outcome.code == "UNAUTHENTICATED":
                renewed = await self._tokens.get(instead_of=token)
                if renewed != token:
                    outcome = await self._post(request, renewed)
        except TokenError as error:
            return error.outcome
        return outcome

    async def _post(self, request: Request, token: str) -> Outcome:
        request.sent = False
        request.headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
        }
        if self._pool is None:
            # Here, because a pool belongs to an event loop.
            self._pool = Pool(self._endpoint, tls=self._tls, connections=self._connections)
        try:
            answer = await self._pool.post(request, self._timeout_s)
        except TooLateError:
            return NOT_SENT
        except (OSError, ValueError) as error:
            return _network_outcome(error, sent=request.sent)
        return classify_fcm(answer.status, answer.headers, answer.body, self._clock.now())


def _network_outcome(error: Exception, *, sent: bool) -> Outcome:
    """What a failure below HTTP means: harmless before the first byte of the body, unknown after it."""
    text = short_text(f"{type(error).__name__}: {error}")
    if not sent:
        return Outcome(kind=OutcomeKind.RETRY, code="connection_failed", detail=text)
    return _lost("timeout" if isinstance(error, TimeoutError) else "connection_lost", text)


def _lost(code: str, detail: str) -> Outcome:
    return Outcome(kind=OutcomeKind.UNKNOWN, code=code, detail=detail)
