"""A TCP connection to whichever of a server's addresses answers, for a caller that waits for it."""

import errno
import os
import selectors
import socket
import threading
import time
from collections import deque
from concurrent.futures import Future

ADDRESS_DELAY_S = 0.25
"""How long one of a host's addresses may take before the next is tried beside it (RFC 8305, section 5)."""

Address = tuple[int, tuple[object, ...]]
"""A socket's family, and where it connects to."""


def begin(address: Address) -> socket.socket:
    """A socket that is being connected; it becomes writable once it is, or once it cannot be. Raises OSError."""
    family, where = address
    connecting = socket.socket(family, socket.SOCK_STREAM)
    connecting.setblocking(False)
    connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    error = connecting.connect_ex(where)
    if error not in {0, errno.EINPROGRESS}:
        connecting.close()
        raise OSError(error, os.strerror(error))
    return connecting


def end(connecting: socket.socket) -> None:
    """Take note that a socket is writable. Raises OSError when it could not be connected."""
    error = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


def first_of(host: str, port: int, timeout_s: float) -> tuple[Address, socket.socket]:
    """The address of a host that answers first, and a connected socket to it. Raises OSError."""
    until = time.monotonic() + timeout_s
    addresses = deque(_found(host, port, timeout_s))
    error: OSError = TimeoutError("no address of the server answered")
    with selectors.DefaultSelector() as selector:
        try:
            while addresses or selector.get_map():
                if addresses:
                    try:
                        address = addresses.popleft()
                        selector.register(begin(address), selectors.EVENT_WRITE, address)
                    except OSError as refused:
                        error = refused
                        continue
                left = until - time.monotonic()
                if left <= 0:
                    break
                for key, _ in selector.select(min(left, ADDRESS_DELAY_S) if addresses else left):
                    connecting = key.fileobj
                    assert isinstance(connecting, socket.socket)
                    selector.unregister(connecting)
                    try:
                        end(connecting)
                    except OSError as refused:
                        error = refused
                        connecting.close()
                    else:
                        return key.data, connecting
        finally:
            for key in selector.get_map().values():
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.close()
    raise error


def _found(host: str, port: int, timeout_s: float) -> list[Address]:
    """A host's addresses, in the order in which the system wants them tried. Raises OSError."""
    found: Future[list[Address]] = Future()

    def look() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.set_result([(family, where) for family, _, _, _, where in rows])
        except Exception as error:
            found.set_exception(error)

    # Looking up has no time limit of its own, and a name server that is away can take half a minute.
    threading.Thread(target=look, name="push-addresses", daemon=True).start()
    return found.result(timeout_s)
