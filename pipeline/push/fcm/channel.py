"""Firebase Cloud Messaging, HTTP v1: one request per message over one pool of kept connections.

pyfcm supplies the credentials, the end point and the form of the payload. Its own requests are not used: they sleep and
repeat themselves without bound on Retry-After, its urllib3 session sends a POST again by itself after a timeout or a
503, each thread fetches an access token of its own, and every 403 and 404 is read as the token's fault.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from urllib.parse import urlsplit

from pyfcm import FCMNotification

from pipeline.push.answers import classify_fcm, short_text
from pipeline.push.batch_channel import ANSWER_S, BatchChannel, fitted
from pipeline.push.channel import CLOSED, INTERRUPTED, NOT_SENT
from pipeline.push.clock import Clock
from pipeline.push.credentials import load_service_account, tls_context
from pipeline.push.fcm.access_token import AccessTokens, TokenError
from pipeline.push.fcm.connection import Answer, Request
from pipeline.push.fcm.http1 import ClosedError, Pool
from pipeline.push.forms import Forms
from pipeline.push.message import Message
from pipeline.push.outcome import Outcome, OutcomeKind
from pipeline.push.payload import fcm_payload

_REFUSED = "UNAUTHENTICATED"
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


class FCMChannel(BatchChannel):
    """Sends to Android devices (and to whatever else a Firebase project has tokens for)."""

    name = "fcm"

    def __init__(
        self,
        service_account_file: str,
        *,
        endpoint: str,
        ca_file: str | None = None,
        timeout_s: float = ANSWER_S,
        connections: int = 160,
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
        tls = tls_context(ca_file)
        self._tokens = AccessTokens(self._client.credentials, tls, self._clock)
        self._forms = {dry: Forms(partial(self._encode, validate_only=dry)) for dry in (False, True)}
        self._timeout_s = timeout_s
        self._pool = Pool(endpoint, tls=tls, connections=connections)

    def close(self) -> None:
        """Close the connections: what is under way on them is not waited for."""
        self._tokens.close()
        self._pool.close()

    def _send_batch(self, messages: Sequence[Message], until: float, validate_only: bool) -> list[Outcome]:
        outcomes: list[Outcome] = [NOT_SENT] * len(messages)
        try:
            token = self._tokens.get(until) if messages else ""
            self._exchange(range(len(messages)), token, messages, outcomes, until, validate_only)
            # Once more after a 401, which is certain not to have been handled.
            refused = [index for index, outcome in enumerate(outcomes) if outcome.code == _REFUSED]
            if refused and (renewed := self._tokens.get(until, instead_of=token)) != token:
                self._exchange(refused, renewed, messages, outcomes, until, validate_only)
        except TokenError as error:
            return [
                error.outcome if outcome is NOT_SENT or outcome.code == _REFUSED else outcome for outcome in outcomes
            ]
        if self._pool.closed:
            return [CLOSED if outcome is NOT_SENT else outcome for outcome in outcomes]
        return outcomes

    def _exchange(
        self,
        indices: Sequence[int],
        token: str,
        messages: Sequence[Message],
        outcomes: list[Outcome],
        until: float,
        validate_only: bool,
    ) -> None:
        """Send the messages of these indices with an access token, and note what came of each."""
        head = self._pool.head(self._path, {"Authorization": f"Bearer {token}", **_HEADERS})

        forms = self._forms[validate_only]

        def payload(message: Message) -> bytes:
            # Both forms of a time to live are in whole seconds.
            left = message.expires_at - self._clock.now()
            return forms.payload(message, int(message.expires_at.timestamp()), int(left.total_seconds()))

        def requests() -> Iterator[Request]:
            for index in indices:
                result = fitted(messages[index], payload)
                if isinstance(result, Outcome):
                    outcomes[index] = result
                else:
                    yield Request(head=head, body=result[1], number=index)

        def done(request: Request, answer: Answer | OSError) -> None:
            outcomes[request.number] = self._outcome(request, answer)

        self._pool.exchange(requests(), len(indices), done, until=until, timeout_s=self._timeout_s)

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

    def _outcome(self, request: Request, answer: Answer | OSError) -> Outcome:
        if not isinstance(answer, OSError):
            # Nothing in the head of an answer that says yes is of interest.
            headers = {} if answer.status == 200 else answer.headers
            return classify_fcm(answer.status, headers, answer.body, self._clock.now())
        if isinstance(answer, ClosedError):
            return INTERRUPTED if request.sent else CLOSED
        # A failure below HTTP is harmless before the first byte of the request, and unknown after it.
        text = short_text(f"{type(answer).__name__}: {answer}")
        if not request.sent:
            return Outcome(kind=OutcomeKind.RETRY, code="connection_failed", detail=text)
        code = "timeout" if isinstance(answer, TimeoutError) else "connection_lost"
        return Outcome(kind=OutcomeKind.UNKNOWN, code=code, detail=text)
