"""What the two sides of the gateway share: their state while it runs, and what both do to a connection."""

import asyncio
import socket
import struct

from scripts.gateway.credentials import GatewayCredentials
from scripts.gateway.faults import FaultPlan, Faults
from scripts.gateway.record import PushRecord
from scripts.gateway.tokens import AccessTokens, ProviderTokens


class GatewayState:
    """Credentials, tokens, the record and the failure plan of one running gateway."""

    def __init__(self, credentials: GatewayCredentials, record: PushRecord, faults: Faults) -> None:
        self.credentials = credentials
        self.access_tokens = AccessTokens(credentials)
        self.provider_tokens = ProviderTokens(credentials)
        self.record = record
        self.plan = FaultPlan(faults)
        self.owners: dict[tuple[str, str], str] = {}  # (platform, token) -> whose phone it is, for the page
        self.connections = {"fcm": 0, "apns": 0}  # opened since the start
        self.refused_connections = 0  # APNs connections without HTTP/2

    def set_faults(self, faults: Faults) -> None:
        """Follow another failure plan from the next request on."""
        self.plan = FaultPlan(faults)


def reset_connection(transport: asyncio.BaseTransport | None) -> None:
    """Close a TCP connection with RST, as a dying server or a NAT does."""
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.Transport):
        transport.abort()
