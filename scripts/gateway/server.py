"""The gateway as one object: four loopback listeners around one record."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from aiohttp import web

from scripts.gateway.admin import admin_application
from scripts.gateway.apns import APNsProtocol
from scripts.gateway.credentials import (
    APNS_KEY_ID,
    APNS_TEAM_ID,
    APNS_TOPIC,
    LOCK_NAME,
    CredentialsError,
    GatewayCredentials,
    claim_folder,
    prepare_credentials,
)
from scripts.gateway.faults import Faults
from scripts.gateway.fcm import FCMServer
from scripts.gateway.record import Push, PushRecord
from scripts.gateway.state import GatewayState
from scripts.local.folder_lock import FolderInUseError, FolderLock
from scripts.local.serving import LOOPBACK, ServingError, listen, port_of, start_site

_PREFERRED = {"fcm": 8901, "apns": 8902, "apns_sandbox": 8903, "admin": 8904}


@dataclass(frozen=True, kw_only=True)
class GatewayPorts:
    """Where the gateway listens on 127.0.0.1. Before the start: 0 is a free port, None the usual one if free."""

    fcm: int | None = None
    apns: int | None = None
    apns_sandbox: int | None = None
    admin: int | None = None


FREE_PORTS = GatewayPorts(fcm=0, apns=0, apns_sandbox=0, admin=0)


class Gateway:
    """A loopback FCM and APNs. `start` it inside an event loop; `ports` and `environment` are known then."""

    def __init__(
        self,
        folder: Path,
        *,
        ports: GatewayPorts = FREE_PORTS,
        faults: Faults | None = None,
        keep: int = 100_000,
        on_push: Callable[[Push], None] | None = None,
    ) -> None:
        self._folder = folder
        self._faults = faults or Faults()
        self._lock = FolderLock(folder / LOCK_NAME)
        self._protocols: set[APNsProtocol] = set()
        self._servers: list[asyncio.Server] = []
        self._runners: list[web.BaseRunner] = []
        self.ports = ports
        self.record = PushRecord(keep=keep, on_push=on_push)
        self.state: GatewayState | None = None

    async def start(self) -> None:
        """Prepare the credentials and listen. Raises ServingError with a sentence when it cannot."""
        with self._sockets() as sockets:
            ports = {name: port_of(sock) for name, sock in sockets.items()}
            self.ports = GatewayPorts(**ports)
            try:
                token_uri = f"https://{LOOPBACK}:{ports['fcm']}/token"
                credentials = await asyncio.to_thread(self._take_folder, token_uri)
            except CredentialsError as error:
                raise ServingError(str(error)) from error
            except FolderInUseError as error:
                raise ServingError(f"{error} Stop that gateway, or name another --folder.") from error
            self.state = GatewayState(credentials, self.record, self._faults)
            await self._listen(self.state, sockets)

    def _take_folder(self, token_uri: str) -> GatewayCredentials:
        """Prepare the credentials in a folder that no other gateway uses now."""
        claim_folder(self._folder)
        self._lock.acquire()
        return prepare_credentials(self._folder, token_uri)

    @contextmanager
    def _sockets(self) -> Iterator[dict[str, socket.socket]]:
        """Bind all ports before anything else is done; when the start fails, free them and the folder."""
        sockets: dict[str, socket.socket] = {}
        try:
            for field in fields(self.ports):
                sockets[field.name] = listen(getattr(self.ports, field.name), _PREFERRED[field.name])
            yield sockets
        except BaseException:
            for sock in sockets.values():
                sock.close()
            self._lock.release()
            raise

    async def _listen(self, state: GatewayState, sockets: dict[str, socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        sites: tuple[tuple[str, web.Application | web.Server, ssl.SSLContext | None], ...] = (
            ("fcm", FCMServer(state), _tls(state.credentials, "http/1.1")),
            ("admin", admin_application(state, self.set_faults), None),
        )
        self._runners = [await start_site(site, sockets[name], tls=tls) for name, site, tls in sites]
        for name, environment in (("apns", "production"), ("apns_sandbox", "sandbox")):
            server = await loop.create_server(
                partial(APNsProtocol, state, environment, self._protocols),
                sock=sockets[name],
                ssl=_tls(state.credentials, "h2"),
            )
            self._servers.append(server)

    async def stop(self) -> None:
        """Stop listening and drop every connection. Does nothing when not started."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        for protocol in list(self._protocols):
            protocol.close()
        runners, self._runners = self._runners, []
        for runner in runners:
            await runner.cleanup()
        for protocol in list(self._protocols):
            protocol.abort()
        self._lock.release()

    def set_faults(self, faults: Faults) -> None:
        """Follow another failure plan from the next request on; open connections hear of a new stream limit."""
        self._faults = faults
        if self.state is not None:
            self.state.set_faults(faults)
        for protocol in list(self._protocols):
            protocol.allow_streams(faults.max_streams)

    def environment(self) -> dict[str, str]:
        """Return the settings that point the product to this gateway."""
        if self.state is None:
            raise ServingError("The gateway has not been started.")
        credentials = self.state.credentials
        return {
            "FCM_SERVICE_ACCOUNT_FILE": str(credentials.service_account_file),
            "FCM_ENDPOINT": f"https://{LOOPBACK}:{self.ports.fcm}",
            "APNS_KEY_FILE": str(credentials.apns_key_file),
            "APNS_KEY_ID": APNS_KEY_ID,
            "APNS_TEAM_ID": APNS_TEAM_ID,
            "APNS_TOPIC": APNS_TOPIC,
            "APNS_PRODUCTION_ENDPOINT": f"https://{LOOPBACK}:{self.ports.apns}",
            "APNS_SANDBOX_ENDPOINT": f"https://{LOOPBACK}:{self.ports.apns_sandbox}",
            "PUSH_CA_FILE": str(credentials.ca_file),
        }

    @property
    def admin_url(self) -> str:
        """The address of the admin page, without a slash at the end."""
        return f"http://{LOOPBACK}:{self.ports.admin}"

    def addresses(self) -> dict[str, object]:
        """Return what a parent process must know."""
        return {"admin_url": self.admin_url, "environment": self.environment()}


def _tls(credentials: GatewayCredentials, protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(credentials.server_file)
    context.set_alpn_protocols([protocol])
    return context
