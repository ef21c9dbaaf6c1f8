"""Who looks at the pages: links that work once, sessions in a cookie, or a name from the team's own proxy.

No passwords: whoever may run `crawlpush web link` on a machine of the installation may operate it.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from pipeline.web.keys import digest
from storage import operators
from storage.session import Database

LINK_LIVES: Final = timedelta(minutes=10)
SESSION_LIVES: Final = timedelta(hours=12)
LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
SECURE_COOKIE: Final = "__Host-crawlpush"
"""RFC 6265bis, 4.1.3.2: a browser takes it from https alone, for this host alone, and no neighbour can set it."""
LOOPBACK_COOKIE: Final = "crawlpush"
"""On this machine without TLS, where some browsers refuse `Secure` and with it the prefix."""
MAX_OPERATOR: Final = 255


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What of a request says who sent it."""

    # https or http, and the host with its port as the browser sees them.
    scheme: str
    host: str
    # The machine at the other end of the connection, whatever X-Forwarded-For says.
    peer: str
    cookies: str = field(repr=False)
    # The value of the header that the setting names; empty without it.
    proxy_user: str = ""
    origin: str | None = None

    @property
    def cookie(self) -> str:
        """The cookie's name; empty where a session could be read on the way."""
        if self.scheme == "https":
            return SECURE_COOKIE
        return LOOPBACK_COOKIE if hostname(self.host) in LOOPBACK_NAMES else ""

    @property
    def session(self) -> str:
        """The session's secret, as the browser sent it."""
        try:
            found = SimpleCookie(self.cookies).get(self.cookie)
        except CookieError:
            return ""
        return found.value if found is not None else ""

    @property
    def is_from_elsewhere(self) -> bool:
        """Whether a page of another site had it sent."""
        return self.origin is not None and urlsplit(self.origin).netloc != self.host


@dataclass(frozen=True, kw_only=True)
class Operator:
    """Somebody who is signed in."""

    name: str
    # The secret of the session.
    session: str = field(repr=False)
    # Whether the browser is still to get it.
    is_new: bool = False

    @property
    def token(self) -> str:
        """What each form of this session carries, so that no other site's form can pass for one of ours (CSRF)."""
        return hmac.new(self.session.encode(), b"form", hashlib.sha256).hexdigest()


def hostname(host: str) -> str:
    """The host of a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def new_link(database: Database, operator: str, *, now: datetime) -> str:
    """The secret of a link that signs in once, within LINK_LIVES."""
    return _keep(database, "link", operator, now=now, lives=LINK_LIVES)


def use_link(database: Database, secret: str, *, now: datetime) -> Operator | None:
    """A new session for a link; None when it was used, or is too old."""
    with database.writing() as session:
        name = operators.take_secret(session, digest(secret), "link", now=now)
    return None if name is None else begin_session(database, name, now=now)


def begin_session(database: Database, name: str, *, now: datetime) -> Operator:
    """A session of its own for each browser."""
    return Operator(name=name, session=_keep(database, "session", name, now=now, lives=SESSION_LIVES), is_new=True)


def end_session(database: Database, operator: Operator, *, now: datetime) -> None:
    """Sign out."""
    with database.writing() as session:
        operators.take_secret(session, digest(operator.session), "session", now=now)


def signed_in(database: Database, asked: Asked, *, proxies: str, now: datetime) -> Operator | None:
    """Who asks. proxies: the addresses and networks whose header is believed, separated by blanks."""
    name = None
    if asked.session:
        with database.reading() as session:
            name = operators.operator_of(session, digest(asked.session), "session", now=now)
    by_proxy = asked.proxy_user[:MAX_OPERATOR] if is_trusted(asked.peer, proxies) else ""
    if by_proxy and by_proxy != name:
        return begin_session(database, by_proxy, now=now)
    return None if name is None else Operator(name=name, session=asked.session)


def is_trusted(peer: str, proxies: str) -> bool:
    """Whether an address is one of those that a setting names. Pure."""
    try:
        address = ip_address(peer)
        return any(address in ip_network(each, strict=False) for each in proxies.split())
    except ValueError:
        return False


def _keep(database: Database, kind: operators.Kind, operator: str, *, now: datetime, lives: timedelta) -> str:
    secret = secrets.token_urlsafe(32)
    with database.writing() as session:
        operators.add_secret(
            session, hashed=digest(secret), kind=kind, operator=operator, now=now, expires_at=now + lives
        )
    return secret
