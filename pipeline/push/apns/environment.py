"""One of APNs' two environments in one process: a queue of messages and the connection that they go over."""

import asyncio
import logging
import math
import ssl
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any

from pipeline.push.answers import classify_apns, short_text
from pipeline.push.apns.client import Client, Credentials
from pipeline.push.apns.http2 import HTTP2Connection, Loss, Response
from pipeline.push.apns.provider_token import ProviderTokens
from pipeline.push.channel import NOT_SENT
from pipeline.push.clock import Clock
from pipeline.push.message import Message
from pipeline.push.outcome import Outcome, OutcomeKind

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
STORE_TIMEOUT_S = 15.0
"""Of the store in which the fleet shares its provider token, the wait for its lock included."""
PING_AFTER_S = 30.0
"""A connection that was silent for this long is asked whether it still lives before messages are trusted to it."""
PING_TIMEOUT_S = 2.0
STALL_S = 10.0
"""A connection that was asked for something and has brought no message to its end for so long is replaced."""
MAX_REFUSALS = 3
"""A message that the server has refused three times more is tried again later, not at once."""
MAX_DOUBTS = 3
"""Refusals of our credentials on a connection that has not served anybody, before the others are not tried on it."""
MAX_BARREN = 3
"""Connections in a row that gave no answer at all, before the waiting messages are told to try again later."""


@dataclass(eq=False, slots=True)
class Push:
    """One message on its way."""

    message: Message
    settle: Callable[[Outcome], None]
    """Called once with the final outcome."""
    until: float = math.inf
    """Of the monotonic clock: it is not sent later than this."""
    home: "Environment | None" = None
    """The environment that has it now."""
    bad_token: Outcome | None = None
    """The other environment's BadDeviceToken, once it has said so."""
    settled: bool = False
    refusals: int = 0
    resigned: bool = False
    """Its ExpiredProviderToken has had its one new token."""
    provider_token: str = ""
    stream: "tuple[HTTP2Connection, int] | None" = None
    """Where it waits for its answer."""
    sent_at: float = 0.0


class Link:
    """A connection with the messages that are on it (the connection's Owner)."""

    def __init__(self, environment: "Environment") -> None:
        self.pushes: dict[int, Push] = {}
        self.suspect = False
        """An answer did not come in time and nothing else did: ask before the next message."""
        self.refusals = 0
        """Messages that were refused for our credentials."""
        self._environment = environment
        self.client = Client(Credentials(environment.tokens, self), environment.host, environment.port)
        self.connection = self.client.connection

    def send(self, push: Push, topic: str, provider_token: str) -> None:
        """Put a message on the connection."""
        stream_id = self.client.send_message(push.message, topic)
        push.provider_token = provider_token
        push.stream = (self.connection, stream_id)
        push.sent_at = time.monotonic()
        self.pushes[stream_id] = push

    @property
    def stalled(self) -> bool:
        """Whether the connection, alive or not, has brought nothing for too long."""
        since = self.connection.unanswered_since
        return since is not None and time.monotonic() - since >= STALL_S

    def answered(self, stream_id: int, response: Response) -> None:
        """Hand an answer on."""
        push = self.pushes.pop(stream_id, None)
        if push is not None and not push.settled:
            push.stream = None
            self._environment.answered(self, push, response)

    def lost(self, stream_id: int, loss: Loss, reason: str) -> None:
        """Hand a loss on."""
        push = self.pushes.pop(stream_id, None)
        if push is not None and not push.settled:
            push.stream = None
            self._environment.lost(push, loss, reason)

    def capacity_changed(self) -> None:
        """There may be room for waiting messages, or need for another connection."""
        self._environment.pump()


class Environment:
    """Sends the messages of one environment. Everything happens on one event loop."""

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        *,
        topic: str,
        tokens: ProviderTokens,
        tls: ssl.SSLContext,
        clock: Clock,
    ) -> None:
        """host and port: of the end point. tls: a context that offers h2."""
        self.name, self.host, self.port = name, host, port
        self.tokens = tokens
        self._topic = topic
        self._tls = tls
        self._clock = clock
        self.other: Environment | None = None
        """Where a message goes whose token is bad here; set once both exist."""
        self._queue: deque[Push] = deque()
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._barren = 0
        self._watch: asyncio.TimerHandle | None = None

    def submit(self, pushes: Iterable[Push]) -> None:
        """Take messages on; each will be settled, unless its owner gives it up first."""
        for push in pushes:
            push.home = self
            self._queue.append(push)
        self.pump()

    def give_up(self, push: Push) -> bool:
        """Stop waiting for a message (the deadline has come). Returns whether it may have been sent."""
        push.settled = True
        if push.stream is None:
            return False
        connection, stream_id = push.stream
        link = self._link
        if link is not None and link.connection is connection and connection.received_at < push.sent_at:
            link.suspect = True
        connection.cancel(stream_id)
        return True

    def pump(self) -> None:
        """Send what can be sent now, or begin whatever has to be done first."""
        while self._queue and self._queue[0].settled:
            self._queue.popleft()
        if not self._queue or self._task is not None:
            return
        token = self.tokens.cached()
        link = self._link
        if token is None:
            self._begin(self._fetch_token())
        elif link is None or link.connection.going_away:
            self._begin(self._connect())
        elif link.stalled:
            link.connection.abort()
        elif link.suspect or time.monotonic() - link.connection.received_at > PING_AFTER_S:
            self._begin(self._probe(link))
        else:
            self._send_waiting(link, token)

    def close(self) -> None:
        """Close the connection."""
        if self._link is not None:
            self._link.connection.close()

    # What comes back.

    def answered(self, link: Link, push: Push, response: Response) -> None:
        """An answer came: settle the message, or send it again where the answer asks for it."""
        self._barren = 0
        outcome = classify_apns(
            response.status, response.headers, response.body, self._clock.now(), environment=self.name
        )
        if outcome.code == "ExpiredProviderToken" and not push.resigned:
            push.resigned = True
            self._queue.appendleft(push)
            if self._task is None and self.tokens.cached() == push.provider_token:
                self._begin(self._replace_token(push.provider_token))
            return
        refused = outcome.kind is OutcomeKind.CHANNEL_DOWN and response.status == 403
        if not refused:
            link.connection.proven = True
        if outcome.kind is OutcomeKind.WRONG_ENVIRONMENT and push.bad_token is None and self.other is not None:
            push.bad_token = outcome
            self.other.submit([push])
            return
        self._settle(push, outcome)
        link.refusals += refused
        if link.refusals >= MAX_DOUBTS and not link.connection.proven:
            # One stream at a time is allowed until Apple accepts the token: the rest would hear the same, slowly.
            self._settle_waiting(replace(outcome, answered=False))

    def lost(self, push: Push, loss: Loss, reason: str) -> None:
        """No answer will come: send again what was certainly not handled, the others are unknown."""
        if loss is Loss.UNKNOWN:
            self._settle(push, Outcome(kind=OutcomeKind.UNKNOWN, code="connection_lost", detail=short_text(reason)))
        elif loss is Loss.REFUSED and push.refusals >= MAX_REFUSALS:
            self._settle(push, _retry("not_processed", reason))
        else:
            # What a dead connection left unhandled has no such limit: every new connection answers something, or
            # counts towards MAX_BARREN.
            push.refusals += loss is Loss.REFUSED
            self._queue.appendleft(push)

    # The steps that take time; one at a time, each ends in another look at the queue.

    def _begin(self, step: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            try:
                await step
            except Exception as error:
                logger.exception("push step failed", extra={"fields": {"platform": "apns"}})
                self._settle_waiting(_retry("internal_error", type(error).__name__))
            finally:
                self._task = None
            self.pump()

        self._task = asyncio.get_running_loop().create_task(run())

    async def _fetch_token(self) -> None:
        await self._from_store(self.tokens.current)

    async def _replace_token(self, rejected: str) -> None:
        await self._from_store(lambda: self.tokens.replace(rejected))

    async def _from_store(self, ask: Callable[[], object]) -> None:
        try:
            await asyncio.wait_for(asyncio.to_thread(ask), STORE_TIMEOUT_S)
        except TimeoutError:
            self._settle_waiting(_retry("token_unavailable", "the fleet's provider token store does not answer"))

    async def _connect(self) -> None:
        self._link = None
        if self._barren >= MAX_BARREN:
            self._barren = 0
            self._settle_waiting(_retry("connection_lost", f"{self.host} closes every connection unanswered"))
            return
        self._barren += 1
        link = Link(self)
        try:
            await link.connection.open(self._tls, CONNECT_TIMEOUT_S)
        except OSError as error:
            self._settle_waiting(_retry("connection_failed", f"{type(error).__name__}: {error}"))
            return
        self._link = link

    async def _probe(self, link: Link) -> None:
        alive = await link.connection.ping(PING_TIMEOUT_S)
        link.suspect = False
        if not alive:
            link.connection.abort()

    def _send_waiting(self, link: Link, provider_token: str) -> None:
        while self._queue and link.connection.capacity:
            push = self._queue.popleft()
            if push.settled:
                continue
            if time.monotonic() >= push.until:
                self._settle(push, NOT_SENT)
                continue
            try:
                link.send(push, push.message.app or self._topic, provider_token)
            except Exception as error:
                # The state machine refused: its connection is of no more use, and the message is not on it.
                logger.exception("push request failed", extra={"fields": {"platform": "apns"}})
                self._settle(push, _retry("internal_error", type(error).__name__))
                link.connection.abort()

        if self._queue:
            link.connection.wanted()
        self._watch_on()

    def _watch_on(self) -> None:
        link = self._link
        if self._watch is None and link is not None and link.connection.unanswered_since is not None:
            self._watch = asyncio.get_running_loop().call_later(STALL_S / 2, self._look)

    def _look(self) -> None:
        """Replace a connection that brings nothing: it answers pings, say, and gives no room to send a message in."""
        self._watch = None
        if self._link is not None and self._link.stalled:
            self._link.connection.abort()
        else:
            self._watch_on()

    def _settle(self, push: Push, outcome: Outcome) -> None:
        if not push.settled:
            push.settled = True
            push.settle(_after_both(push.bad_token, outcome))

    def _settle_waiting(self, outcome: Outcome) -> None:
        waiting, self._queue = self._queue, deque()
        for push in waiting:
            self._settle(push, outcome)


def _after_both(first: Outcome | None, outcome: Outcome) -> Outcome:
    """What the second environment's answer means for a token that the first one called bad."""
    if first is None:
        return outcome
    if outcome.kind is OutcomeKind.WRONG_ENVIRONMENT:
        return replace(outcome, kind=OutcomeKind.TOKEN_DEAD, environment=None, detail="bad in both environments")
    if outcome.kind is OutcomeKind.CHANNEL_DOWN:
        # Our key is not good there (keys can be bound to one environment), so nothing more is known of the token.
        return replace(first, kind=OutcomeKind.REJECTED, detail=f"the other environment: {outcome.code}")
    return outcome


def _retry(code: str, detail: str) -> Outcome:
    return Outcome(kind=OutcomeKind.RETRY, code=code, detail=short_text(detail))
