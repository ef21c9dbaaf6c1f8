"""apns2's client, on our connection, with our provider token and the headers that it lacks."""

import json
from typing import Any
from urllib.parse import quote

from pipeline.push.apns.compat import apns2
from pipeline.push.apns.http2 import HTTP2Connection, Owner
from pipeline.push.apns.http2_state import ClientState
from pipeline.push.apns.provider_token import ProviderTokens
from pipeline.push.message import Message
from pipeline.push.payload import apns_headers, apns_payload


def encode(message: Message) -> bytes:
    """Return the payload as apns2 encodes it, to measure it."""
    return json.dumps(apns_payload(message), ensure_ascii=False, separators=(",", ":")).encode("utf-8")


class Credentials(apns2.credentials.Credentials):  # type: ignore[misc]
    """Token credentials: opens our kind of connection, and signs with the fleet's provider token.

    apns2's own TokenCredentials signs for itself alone, and with a float `iat`, which is not what Apple asks for.
    """

    def __init__(self, tokens: ProviderTokens, owner: Owner) -> None:
        super().__init__()
        self._tokens = tokens
        self._owner = owner

    def create_connection(self, server: str, port: int, *_args: Any) -> HTTP2Connection:
        """Return a connection that is not open yet."""
        return HTTP2Connection(server, port, self._owner, ClientState())

    def get_authorization_header(self, topic: str | None) -> str:  # noqa: ARG002
        """Return the header's value; only called when a token is cached."""
        return f"bearer {self._tokens.cached()}"


class Client(apns2.client.APNsClient):  # type: ignore[misc]
    """An apns2 client for one connection to one end point."""

    def __init__(self, credentials: Credentials, host: str, port: int) -> None:
        self.LIVE_SERVER, self.DEFAULT_PORT = host, port
        super().__init__(credentials)

    @property
    def connection(self) -> HTTP2Connection:
        """The connection that the client writes to."""
        connection: HTTP2Connection = self._connection
        return connection

    def send_message(self, message: Message, topic: str) -> int:
        """Queue a message and return its stream id. apns2 builds the request; apns-id and priority are added."""
        headers = apns_headers(message, topic)
        self.connection.extra_headers = {name: headers[name] for name in ("apns-id", "apns-priority")}
        stream_id: int = self.send_notification_async(
            # A token that is not hexadecimal is for Apple to judge, but must not become another path.
            quote(message.token, safe=""),
            _Payload(apns_payload(message)),
            topic,
            expiration=int(headers["apns-expiration"]),
            collapse_id=headers["apns-collapse-id"],
            push_type=apns2.client.NotificationType.Alert,
        )
        return stream_id


class _Payload(apns2.payload.Payload):  # type: ignore[misc]
    """A payload that is built already."""

    def __init__(self, form: dict[str, Any]) -> None:
        super().__init__()
        self._form = form

    def dict(self) -> "dict[str, Any]":
        return self._form
