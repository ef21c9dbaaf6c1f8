"""What went wrong with a download, in words for the site's owner. Pure."""

from typing import Final

from OpenSSL import SSL
from twisted.internet import error as connecting
from twisted.web.client import ResponseFailed
from twisted.web.http import _DataLoss

from spiders.child.http1 import AnswerError
from spiders.child.tls import handshake_words

_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (connecting.DNSLookupError, "there is no such host, or the name could not be looked up"),
    (connecting.ConnectionRefusedError, "Connection was refused: nothing listens there"),
    (connecting.NoRouteError, "there is no way to that network from here"),
    (connecting.TCPTimedOutError, "the server did not take the connection in time"),
    (connecting.ConnectionDone, "the server closed the connection before its answer was complete"),
    (connecting.ConnectionLost, "the connection was lost before the answer was complete"),
    (_DataLoss, "the answer broke off"),
)
"""The first that fits. Where Twisted wraps several causes, the first of them is what happened first."""


def words(error: BaseException, *, refusal: str = "") -> str:
    """What a download failed of; never empty. `refusal` is why the host's certificate was refused, if it was."""
    cause = _first_cause(error)
    if isinstance(cause, SSL.Error):
        return f"the server's TLS: {refusal or handshake_words(cause)}"
    if isinstance(cause, AnswerError):
        return f"the answer cannot be read: {cause}"
    known = next((sentence for kind, sentence in _WORDS if isinstance(cause, kind)), "")
    return known or str(cause).strip() or type(cause).__name__


def _first_cause(error: BaseException) -> BaseException:
    while True:
        if isinstance(error, ResponseFailed) and error.reasons:
            error = error.reasons[0].value
        elif isinstance(error.__cause__, BaseException) and type(error).__module__.startswith("scrapy."):
            error = error.__cause__
        else:
            return error
