"""Which messages a bulk reader has not acknowledged: the part of `bulk_transport.py` that gives and takes back."""

import json
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from kombu.transport import virtual

from pipeline.broker import redis_transport
from pipeline.broker.take_script import ACKNOWLEDGE

ACK_MAX = 400
ACK_DELAY_S = 0.01
"""In an event loop an acknowledgement waits for others for so long, or until there are ACK_MAX of them. What a process
that dies in this time had not sent is delivered again after the visibility timeout."""
ACK_RETRY_S = 1.0
"""How long acknowledgements that could not be sent wait for the next try."""


class QoS(redis_transport.QoS):
    """Which messages are unacknowledged: noted by the script that took them, acknowledged many at once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Tags that a script has noted as unacknowledged already, on their way to append().
        self.noted: set[str] = set()
        # A deque: whoever acknowledges may be another thread, and no tag may be sent, or forgotten, by two.
        self._acknowledged: deque[str] = deque()

    def append(self, message: Any, delivery_tag: str) -> None:
        """Count a message as unacknowledged, and note it in Redis unless the script that took it did."""
        if delivery_tag in self.noted:
            self.noted.discard(delivery_tag)
            virtual.QoS.append(self, message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def hold(self, tags: Collection[str]) -> None:
        """Count as unacknowledged what a script has noted as such."""
        self.noted.difference_update(tags)
        self._flush()
        # kombu asks for nothing but the tags, here as in its own transport for Redis.
        self._delivered.update(dict.fromkeys(tags))

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message, together with others that come soon; its place in the prefetch count is free then."""
        self.ack_all((delivery_tag,))

    def ack_all(self, tags: Collection[str]) -> None:
        """Acknowledge messages, as ack() does."""
        is_first = not self._acknowledged
        self._acknowledged.extend(tags)
        if len(self._acknowledged) >= ACK_MAX:
            self.channel.flush()
        elif is_first:
            self.channel.flush_soon()

    def flush(self) -> None:
        """Send the acknowledgements that wait."""
        tags: list[str] = []
        with suppress(IndexError):
            while True:
                tags.append(self._acknowledged.popleft())
        if not tags:
            return
        try:
            self.channel.run(ACKNOWLEDGE, [self.unacked_key, self.unacked_index_key], [json.dumps(tags)])
        except BaseException:
            self._acknowledged.extend(tags)
            raise
        self.forget(*tags)

    def forget(self, *tags: str) -> None:
        """Free the places of messages in the prefetch count; one that is forgotten is no longer on its way either."""
        self.noted.difference_update(tags)
        # One that was never counted (no_ack) must not look like one more free place.
        self._dirty.update([tag for tag in tags if tag in self._delivered])

    def restore_unacked(self, client: Any = None) -> None:
        """Give back what is not acknowledged: not what is, even where Redis could not be told so yet."""
        self.channel.flush()
        for tag in tuple(self._acknowledged):
            self._delivered.pop(tag, None)
        super().restore_unacked(client)

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Send what waits before the rest is given back: a clean stop repeats nothing."""
        self.channel.flush()
        # What was taken and, because something broke, not delivered.
        for tag in tuple(self.noted):
            self._delivered.setdefault(tag, None)
        self.noted.clear()
        super().restore_unacked_once(stderr)
