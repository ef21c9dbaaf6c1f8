"""Messages as they stand in Redis, which differ in little but ids: one is read whole, the others by their form."""

import json
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, NamedTuple

VARYING = ("body", "id", "root_id", "argsrepr", "correlation_id", "delivery_tag")
"""Where the messages differ that one process sends for one task."""
VALUE = rb"[ !#-\[\]-~]*"
"""A string of JSON that means what it says: ASCII without quotes, backslashes and control characters."""
NEVER = re.compile(rb"(?!)")
KNOWN_MOST = 10
"""How many forms are remembered: each thread that sends has one for each task and priority."""


class Form:
    """What the messages of one form have in common; whoever judges one of them by that may note its verdict here."""

    __slots__ = ("content_type", "headers", "pattern", "priority", "verdict")

    def __init__(self, message: Mapping[str, Any], pattern: re.Pattern[bytes]) -> None:
        self.headers: Mapping[str, Any] = message["headers"]
        self.content_type = message["content-type"]
        self.priority = message["properties"].get("priority")
        self.pattern = pattern
        self.verdict: bool | None = None


class Known(NamedTuple):
    """One message: its form, and in what it differs from others that matters to whoever takes it."""

    form: Form
    id: str
    body: bytes


class Forms:
    """The forms of the messages that came last."""

    def __init__(self) -> None:
        self._known: list[Form] = []

    def read(self, raw: bytes) -> Known | None:
        """What a message says; None for one that is not as Celery's messages are, or asks for more to be read."""
        try:
            for place, form in enumerate(self._known):
                if found := form.pattern.fullmatch(raw):
                    if place:
                        self._known.insert(0, self._known.pop(place))
                    return Known(form, found["id"].decode(), b64decode(found["body"]))
            message = json.loads(raw.decode())
            headers, body = message["headers"], message["body"]
            # kombu has types that JSON lacks written under this key.
            is_usual = message["properties"]["body_encoding"] == "base64" and b'"__type__"' not in raw
            if not is_usual or type(headers) is not dict or type(headers["id"]) is not str:
                return None
            form = Form(message, _pattern(raw, message))
            if form.pattern is not NEVER:
                self._known = [form, *self._known[: KNOWN_MOST - 1]]
            return Known(form, headers["id"], b64decode(body))
        except (ValueError, LookupError, TypeError, RecursionError):
            return None


def _pattern(raw: bytes, message: Mapping[str, Any]) -> re.Pattern[bytes]:
    """What all messages match that differ from this one in VARYING alone; NEVER where these do not stand there once."""
    places = []
    for name, value in {**message["headers"], **message["properties"], "body": message["body"]}.items():
        if name in VARYING:
            begin = f'"{name}": "'.encode()
            written = b'%b%b"' % (begin, str(value).encode())
            if raw.count(written) != 1 or not re.fullmatch(VALUE, written[len(begin) : -1]):
                return NEVER
            places.append((raw.index(written) + len(begin), len(written) - len(begin) - 1, name))
    if len(places) != len(VARYING):
        return NEVER
    pattern, end = b"", 0
    for at, size, name in sorted(places):
        pattern += re.escape(raw[end:at]) + b"(?P<%b>%b)" % (name.encode(), VALUE)
        end = at + size
    return re.compile(pattern + re.escape(raw[end:]))
