"""Firebase Cloud Messaging, HTTP v1: one request per message over one pooled aiohttp session.

pyfcm supplies the credentials, the end point and the form of the payload. Its own requests are not used: they sleep and
repeat themselves without bound on Retry-After, its urllib3 session sends a POST again by itself after a timeout or a
503, each thread fetches an access token of its own, and every 403 and 404 is read as the token's fault.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from pyfcm import FCMNotification

from pipeline.push.access_token import AccessTokens, TokenError
from pipeline.push.answers import classify_fcm, short_text
from pipeline.push.credentials import load_service_account, tls_context
from pipeline.push.loop import LoopClosedError, LoopInterruptedError, LoopThread
from pipeline.push.message import Message, PayloadTooLargeError, fit
from pipeline.push.outcome import Outcome, OutcomeKind
from pipeline.push.payload import fcm_payload

logger = logging.getLogger(__name__)

ENDPOINT = "https://fcm.googleapis.com"
MAX_ANSWER_BYTES = 65_536
"""An answer has some hundred bytes; whatever is longer is not one, and is not read to its end."""
KEEPALIVE_S = 50.0
"""Idle connections are dropped here before the vendor drops them: a POST on a dying connection is an unknown."""
CONNECT_TIMEOUT_S = 5.0

_CLOSED = Outcome(kind=OutcomeKind.RETRY, code="closed", detail="the process is stopping")
_INTERRUPTED = Outcome(kind=OutcomeKind.UNKNOWN, code="interrupted", detail="the process is stopping")
_NOT_SENT = Outcome(kind=OutcomeKind.RETRY, code="not_sent", detail="the time was up before the message's turn came")


class FCMChannel:
    """Sends to Android devices (and to whatever else a Firebase project has tokens for)."""

    name = "fcm"

    def __init__(
        self,
        service_account_file: str,
        *,
        endpoint: str = ENDPOINT,
        ca_file: str | None = None,
        timeout_s: float = 10.0,
        connections: int = 100,
    ) -> None:
        """Check the credentials, without any network.

        timeout_s: of one request. connections: most sockets to FCM from this process, each carrying one request
        at a time. Raises CredentialsError.
        """
        load_service_account(service_account_file)
        self._client = FCMNotification(service_account_file=service_account_file)
        self._client.FCM_END_POINT_BASE = endpoint.rstrip("/") + "/v1/projects"
        self._url: str = self._client.fcm_end_point
        self._tls = tls_context(ca_file)
        self._tokens = AccessTokens(self._client.credentials, ca_file)
        self._timeout_s = timeout_s
        self._connections = connections
        self._loop = LoopThread("push-fcm")
        self._session: aiohttp.ClientSession | None = None

    def send(self, messages: Sequence[Message], deadline_s: float, *, validate_only: bool = False) -> list[Outcome]:
        """Send a batch; see Channel.send. With validate_only FCM checks the message and shows nothing."""
        try:
            return self._loop.run(self._send_batch(messages, deadline_s, validate_only), deadline_s + 5.0)
        except LoopClosedError:
            return [_CLOSED] * len(messages)
        except LoopInterruptedError:
            return [_INTERRUPTED] * len(messages)
        except Exception:
            logger.exception("push batch failed", extra={"fields": {"platform": self.name}})
            lost = Outcome(kind=OutcomeKind.UNKNOWN, code="internal_error", detail="see the log")
            return [lost] * len(messages)

    def close(self) -> None:
        """Close the connections and end the thread."""

        async def close_session() -> None:
            if self._session is not None:
                await self._session.close()

        if self._session is not None:
            try:
                self._loop.run(close_session(), 2.0)
            except (LoopClosedError, LoopInterruptedError, TimeoutError):
                logger.debug("push connections not closed in time")
        self._loop.close()

    async def _send_batch(self, messages: Sequence[Message], deadline_s: float, validate_only: bool) -> list[Outcome]:
        """Let as many workers as there are connections take the messages in turn, until the deadline."""
        outcomes: list[Outcome] = [_NOT_SENT] * len(messages)
        turns = iter(range(len(messages)))
        workers = [
            asyncio.create_task(self._work(messages, turns, outcomes, validate_only))
            for _ in range(min(len(messages), self._connections))
        ]
        if workers:
            _, late = await asyncio.wait(workers, timeout=deadline_s)
            for worker in late:
                worker.cancel()
            for result in await asyncio.gather(*workers, return_exceptions=True):
                if isinstance(result, Exception):
                    logger.error("push worker failed", exc_info=result)
        return outcomes

    async def _work(
        self, messages: Sequence[Message], turns: Iterator[int], outcomes: list[Outcome], validate_only: bool
    ) -> None:
        for index in turns:
            try:
                _, payload = fit(messages[index], lambda message: self._encode(message, validate_only))
            except PayloadTooLargeError as error:
                outcomes[index] = Outcome(kind=OutcomeKind.REJECTED, code="payload_too_large", detail=str(error))
                continue
            body = _Body(payload)
            try:
                outcomes[index] = await self._send_one(body)
            except asyncio.CancelledError:
                outcomes[index] = _lost("timeout", "no answer by the deadline") if body.sent else _NOT_SENT
                raise

    def _encode(self, message: Message, validate_only: bool) -> bytes:
        form = fcm_payload(message)
        encoded: bytes = self._client.parse_payload(
            fcm_token=form["token"],
            notification_title=form["notification"]["title"],
            notification_body=form["notification"]["body"],
            notification_image=form["notification"].get("image"),
            data_payload=form.get("data"),
            android_config=form["android"],
            apns_config=form["apns"],
            dry_run=validate_only,
        )
        return encoded

    async def _send_one(self, body: "_Body") -> Outcome:
        """Send one message; once more after a 401, which is certain not to have been handled."""
        try:
            token = await self._tokens.get()
            outcome = await self._post(body, token)
            if outcome.code == "UNAUTHENTICATED":
                renewed = await self._tokens.get(instead_of=token)
                if renewed != token:
                    body = _Body(body.payload)
                    outcome = await self._post(body, renewed)
        except TokenError as error:
            return error.outcome
        return outcome

    async def _post(self, body: "_Body", token: str) -> Outcome:
        session = self._open_session()
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                answer = await _read(response)
                return classify_fcm(response.status, response.headers, answer, datetime.now(UTC))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return _network_outcome(error, sent=body.sent)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections,
                    ssl=self._tls,
                    ttl_dns_cache=300,
                    keepalive_timeout=KEEPALIVE_S,
                ),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=CONNECT_TIMEOUT_S),
                headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


class _Body(aiohttp.BytesPayload):
    """A request body that remembers whether any of it may have left: before that, a failure is certainly harmless."""

    sent = False

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload, content_type="application/json")
        self.payload = payload

    async def write(self, writer: AbstractStreamWriter) -> None:
        self.sent = True
        await super().write(writer)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self.sent = True
        await super().write_with_length(writer, content_length)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The answer's body, as much as came of it: a cut off error still has its status."""
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in response.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size >= MAX_ANSWER_BYTES:
                response.close()
                break
    except (aiohttp.ClientError, OSError):
        if not chunks and response.status == 200:
            raise
    return b"".join(chunks)


def _network_outcome(error: Exception, *, sent: bool) -> Outcome:
    """What a failure below HTTP means: harmless before the first byte of the body, unknown after it."""
    text = short_text(f"{type(error).__name__}: {error}")
    if not sent:
        return Outcome(kind=OutcomeKind.RETRY, code="connection_failed", detail=text)
    return _lost("timeout" if isinstance(error, TimeoutError) else "connection_lost", text)


def _lost(code: str, detail: str) -> Outcome:
    return Outcome(kind=OutcomeKind.UNKNOWN, code=code, detail=detail)
