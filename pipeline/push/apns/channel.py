"""Apple Push Notification service: apns2's client over one HTTP/2 connection per process and environment.

http2.py says what of hyper is replaced underneath apns2's client, and why; apns_environment.py says how messages
survive connections.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pipeline.errors import PipelineError
from pipeline.push.apns.client import encode
from pipeline.push.apns.environment import Environment, Push
from pipeline.push.apns.provider_token import LocalTokenStore, ProviderTokens, ProviderTokenStore
from pipeline.push.batch_channel import BatchChannel, fitted, last_start
from pipeline.push.channel import CLOSED, INTERRUPTED, NOT_SENT, CredentialsError
from pipeline.push.clock import Clock
from pipeline.push.credentials import load_apns_key, tls_context
from pipeline.push.message import Message
from pipeline.push.outcome import Outcome, OutcomeKind

logger = logging.getLogger(__name__)

GRACE_S = 5.0
"""A loop that answers so much later than its deadline hangs."""
FAREWELL_S = 2.0
# Apple, "Sending notification requests to APNs".
ENVIRONMENTS = ("production", "sandbox")

_LATE = Outcome(kind=OutcomeKind.UNKNOWN, code="timeout", detail="no answer by the deadline")
_NO_DRY_RUN = Outcome(
    kind=OutcomeKind.REJECTED, code="no_dry_run", detail="APNs cannot check a message without showing it"
)


class APNsChannel(BatchChannel):
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
        super().__init__(clock)
        self._loop = LoopThread("push-apns")
        self._used = False
        context = tls_context(ca_file)
        context.set_alpn_protocols(["h2"])
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

    def send(self, messages: Sequence[Message], deadline_s: float, *, validate_only: bool = False) -> list[Outcome]:
        """Send a batch; see Channel.send. APNs has no dry run: with validate_only every message is refused."""
        return [_NO_DRY_RUN] * len(messages) if validate_only else super().send(messages, deadline_s)

    def close(self) -> None:
        """Close the connections and end the thread."""
        if self._used:
            try:
                self._loop.run(self._close_connections(), FAREWELL_S)
            except (LoopClosedError, LoopInterruptedError, TimeoutError):
                logger.debug("push connections not closed in time")
        self._loop.close()

    async def _close_connections(self) -> None:
        for environment in self._environments.values():
            environment.close()
        await asyncio.sleep(0)  # let the farewell be written

    def _send_batch(self, messages: Sequence[Message], until: float, validate_only: bool) -> list[Outcome]:
        del validate_only
        self._used = True
        try:
            return self._loop.run(self._send_all(messages, until), until - time.monotonic() + GRACE_S)
        except LoopClosedError:
            return [CLOSED] * len(messages)
        except LoopInterruptedError:
            return [INTERRUPTED] * len(messages)

    async def _send_all(self, messages: Sequence[Message], until: float) -> list[Outcome]:
        batch, leaves_by = _Batch(len(messages)), last_start(time.monotonic(), until)
        pushes: dict[str, list[Push]] = {name: [] for name in ENVIRONMENTS}
        everything: list[Push] = []
        for index, message in enumerate(messages):
            result = fitted(message, encode)
            if isinstance(result, Outcome):
                batch.settle(index, result)
                continue
            push = Push(result[0], lambda outcome, index=index: batch.settle(index, outcome), leaves_by)  # type: ignore[misc]
            everything.append(push)
            name = message.environment if message.environment in self._environments else self._default
            pushes[str(name)].append(push)
        for name, group in pushes.items():
            self._environments[name].submit(group)
        if not await batch.wait(until - time.monotonic()):
            for push in everything:
                if not push.settled:
                    sent = push.home is not None and push.home.give_up(push)
                    push.settle(_LATE if sent else NOT_SENT)
        return batch.outcomes


class _Batch:
    """The outcomes of one call, as they come in."""

    def __init__(self, size: int) -> None:
        self.outcomes: list[Outcome] = [NOT_SENT] * size
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


T = TypeVar("T")


class LoopClosedError(PipelineError, RuntimeError):
    """The loop was closed before: the coroutine has not begun."""


class LoopInterruptedError(PipelineError, RuntimeError):
    """The loop was closed while the coroutine ran."""


class LoopThread:
    """Runs coroutines for many threads on one event loop. The thread starts with the first of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def run(self, coroutine: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Run a coroutine and return its result. Raises one of the errors above, TimeoutError, or its own."""
        with self._lock:
            if self._closed:
                coroutine.close()
                raise LoopClosedError(f"{self._name} is closed")
            # Under the lock: what is handed over before close() is sure to be run, and cancelled by it.
            future = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        try:
            return future.result(timeout_s)
        except CancelledError as error:
            raise LoopInterruptedError(f"{self._name} was closed") from error
        except TimeoutError:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel what is running and end the thread. Harmless when it never started, or twice."""
        with self._lock:
            loop, self._loop, self._closed = self._loop, None, True
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            # A daemon: a worker that is told to stop must not wait for a vendor.
            threading.Thread(target=_serve, args=(self._loop,), name=self._name, daemon=True).start()
        return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
