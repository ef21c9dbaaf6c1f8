"""Apple Push Notification service: apns2's client over one HTTP/2 connection per process and environment.

http2.py says what of hyper is replaced underneath apns2's client, and why; apns_environment.py says how messages
survive connections.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from pipeline.push.apns.client import encode
from pipeline.push.apns.environment import Environment, Push
from pipeline.push.apns.provider_token import LocalTokenStore, ProviderTokens, ProviderTokenStore
from pipeline.push.channel import CLOSED, CredentialsError, unfit
from pipeline.push.clock import Clock
from pipeline.push.credentials import load_apns_key, tls_context
from pipeline.push.loop import LoopClosedError, LoopInterruptedError, LoopThread
from pipeline.push.message import Message, PayloadTooLargeError, fit
from pipeline.push.outcome import Outcome, OutcomeKind

logger = logging.getLogger(__name__)

# Apple, "Sending notification requests to APNs".
ENVIRONMENTS = ("production", "sandbox")

_INTERRUPTED = Outcome(kind=OutcomeKind.UNKNOWN, code="interrupted", detail="the process is stopping")
_NOT_SENT = Outcome(kind=OutcomeKind.RETRY, code="not_sent", detail="the time was up before the message's turn came")
_LATE = Outcome(kind=OutcomeKind.UNKNOWN, code="timeout", detail="no answer by the deadline")
_NO_DRY_RUN = Outcome(
    kind=OutcomeKind.REJECTED, code="no_dry_run", detail="APNs cannot check a message without showing it"
)


class APNsChannel:
    """Sends to iPhones and iPads."""

    name = "apns"

    def __init__(
        self,
        key_file: str,
        key_id: str,
        team_id: str,
        topic: str,
        *,
        production_endpoint: str,
        sandbox_endpoint: str,
        default_environment: str = "production",
        ca_file: str | None = None,
        token_store: ProviderTokenStore | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Check the credentials, without any network. topic: the app's bundle id. Raises CredentialsError."""
        if default_environment not in ENVIRONMENTS:
            raise CredentialsError(f'The APNs environment is "{default_environment}"; it may be production or sandbox.')
        context = tls_context(ca_file)
        context.set_alpn_protocols(["h2"])
        self._clock = clock or Clock()
        key, store = load_apns_key(key_file), token_store or LocalTokenStore()
        tokens = ProviderTokens(key, key_id, team_id, store, lambda: self._clock.now().timestamp())
        self._default = default_environment
        self._environments = {
            name: Environment(
                name, *_host_and_port(endpoint), topic=topic, tokens=tokens, tls=context, clock=self._clock
            )
            for name, endpoint in zip(ENVIRONMENTS, (production_endpoint, sandbox_endpoint), strict=True)
        }
        production, sandbox = self._environments.values()
        production.other, sandbox.other = sandbox, production
        self._loop = LoopThread("push-apns")
        self._used = False

    def send(self, messages: Sequence[Message], deadline_s: float, *, validate_only: bool = False) -> list[Outcome]:
        """Send a batch; see Channel.send. APNs has no dry run: with validate_only every message is refused."""
        if validate_only:
            return [_NO_DRY_RUN] * len(messages)
        self._used = True
        self._clock.look()
        try:
            # From here on, however long this process is stopped: what is not sent by then is somebody else's to send.
            until = time.monotonic() + deadline_s
            return self._loop.run(self._send_batch(messages, until), deadline_s + 5.0)
        except LoopClosedError:
            return [CLOSED] * len(messages)
        except LoopInterruptedError:
            return [_INTERRUPTED] * len(messages)
        except Exception:
            logger.exception("push batch failed", extra={"fields": {"platform": self.name}})
            lost = Outcome(kind=OutcomeKind.UNKNOWN, code="internal_error", detail="see the log")
            return [lost] * len(messages)

    def close(self) -> None:
        """Close the connections and end the thread."""

        async def close_connections() -> None:
            for environment in self._environments.values():
                environment.close()
            await asyncio.sleep(0)  # let the farewell be written

        if self._used:
            try:
                self._loop.run(close_connections(), 2.0)
            except (LoopClosedError, LoopInterruptedError, TimeoutError):
                logger.debug("push connections not closed in time")
        self._loop.close()

    async def _send_batch(self, messages: Sequence[Message], until: float) -> list[Outcome]:
        batch = _Batch(len(messages))
        pushes: dict[str, list[Push]] = {name: [] for name in ENVIRONMENTS}
        everything: list[Push] = []
        for index, message in enumerate(messages):
            try:
                fitted, _ = fit(message, encode)
            except PayloadTooLargeError as error:
                too_large = Outcome(kind=OutcomeKind.REJECTED, code="payload_too_large", detail=str(error))
                batch.settle(index, too_large)
                continue
            except Exception as error:
                # One message that cannot be encoded is nobody else's trouble.
                batch.settle(index, unfit(error))
                continue
            push = Push(fitted, lambda outcome, index=index: batch.settle(index, outcome), until)  # type: ignore[misc]
            everything.append(push)
            name = message.environment if message.environment in self._environments else self._default
            pushes[str(name)].append(push)
        for name, group in pushes.items():
            self._environments[name].submit(group)
        if not await batch.wait(until - time.monotonic()):
            for push in everything:
                if not push.settled:
                    sent = push.home is not None and push.home.give_up(push)
                    push.settle(_LATE if sent else _NOT_SENT)
        return batch.outcomes


class _Batch:
    """The outcomes of one call, as they come in."""

    def __init__(self, size: int) -> None:
        self.outcomes: list[Outcome] = [_NOT_SENT] * size
        self._left = size
        self._done = asyncio.Event()
        if not size:
            self._done.set()

    def settle(self, index: int, outcome: Outcome) -> None:
        self.outcomes[index] = outcome
        self._left -= 1
        if not self._left:
            self._done.set()

    async def wait(self, timeout_s: float) -> bool:
        try:
            await asyncio.wait_for(self._done.wait(), timeout_s)
        except TimeoutError:
            return False
        return True


def _host_and_port(endpoint: str) -> tuple[str, int]:
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    try:
        port = parts.port or 443
    except ValueError:
        port = 0
    if parts.scheme != "https" or not parts.hostname or not port:
        raise CredentialsError(f"The APNs end point {endpoint!r} is no https address; leave it out for Apple's own.")
    return parts.hostname, port
