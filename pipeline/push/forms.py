"""Payloads that differ from phone to phone in a few short texts: encoded once for all phones, then filled in for each.

A post goes to thousands of phones, and to encode its texts costs more than to send them.
"""

import re
from collections.abc import Callable, Hashable
from dataclasses import replace
from json.encoder import encode_basestring_ascii
from operator import attrgetter
from uuid import uuid4

from pipeline.push.message import OWN_DATA, Message

MOST = 512
"""Forms that are kept: of so many posts and numbers of unread ones at once."""
_SHARED = attrgetter(
    *("tag", "title", "body", "url", "badge", "sound", "channel_id", "thread_id", "image", "interruption", "category")
)


class Forms:
    """Encodes messages. Several threads may do so at once."""

    def __init__(self, encode: Callable[[Message], bytes]) -> None:
        """encode: the payload of a message; of its times it may use no more than the caller of payload() names."""
        self._encode = encode
        # Nobody can have written it into a post.
        mark = uuid4().hex
        self._marks = {name: f"{mark}-{place}" for place, name in enumerate(("token", *OWN_DATA))}
        self._split = re.compile(f"({mark}-[0-9]+)".encode()).split
        self._names = {text.encode(): name for name, text in self._marks.items()}
        self._known: dict[Hashable, list[bytes | str]] = {}

    def payload(self, message: Message, *moments: Hashable) -> bytes:
        """The message's payload. moments: what of its times is in it."""
        data = tuple(item if item[0] not in OWN_DATA else item[0] for item in message.data.items())
        key = (_SHARED(message), data, moments)
        form = self._known.get(key)
        if form is None:
            if len(self._known) >= MOST:
                self._known.clear()
            form = self._known[key] = self._form(message)
        return b"".join([part if type(part) is bytes else _text(message, str(part)) for part in form])

    def _form(self, message: Message) -> list[bytes | str]:
        """A payload's parts: bytes, and in their places the names of what is each phone's own."""
        own = {name: self._marks[name] for name in OWN_DATA if name in message.data}
        marked = replace(message, token=self._marks["token"], data={**message.data, **own})
        return [self._names.get(part, part) for part in self._split(self._encode(marked))]


def _text(message: Message, name: str) -> bytes:
    text = message.token if name == "token" else message.data[name]
    # What json.dumps() does with a text, without what it does before.
    return encode_basestring_ascii(text)[1:-1].encode()
