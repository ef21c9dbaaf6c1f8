"""What must not leave a process in a text that others wrote: device tokens, and passwords in URLs. Pure."""

import re

_TOKEN = re.compile(r"[A-Za-z0-9_:\-]{60,}")
"""APNs' tokens are 64 hexadecimal digits, FCM's some 140 characters. Nothing that we write ourselves is so long."""
_PASSWORD = re.compile(r"(?<=://)[^/@\s]*(?=@)")


def redacted(text: str) -> str:
    """The text without what looks like a token or a password."""
    return _PASSWORD.sub("…", _TOKEN.sub("…", text))
