"""Saying that a process is ready, to whoever started it."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress

_told: list[Callable[[], object]] = []


def tell_ready(teller: Callable[[], object]) -> None:
    """Have this process tell it in such a way, once it is ready, and not systemd, which looks at our parent."""
    _told[:] = [teller]


def ready() -> None:
    """This process does its work from here on; systemd hears it where it asked for that (`Type=notify`)."""
    if _told:
        _told[0]()
    else:
        notify_systemd("READY=1")


def notify_systemd(state: str) -> None:
    """Send a line of sd_notify(3) to the socket of NOTIFY_SOCKET. Nobody needs it: what goes wrong stops nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # A name that begins with "@" is in the abstract namespace, where it begins with a zero byte.
    address = f"\0{address[1:]}" if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notified:
        notified.sendto(state.encode(), address)
