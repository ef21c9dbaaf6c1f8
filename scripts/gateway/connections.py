"""What both sides do to a connection."""

import asyncio
import socket
import struct


def reset_connection(transport: asyncio.BaseTransport | None) -> None:
    """Close a TCP connection with RST, as a dying server or a NAT does."""
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.Transport):
        transport.abort()
