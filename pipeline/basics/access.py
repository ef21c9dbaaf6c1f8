"""How a site's server is reached: its address, the name and password in it, and what TLS may overlook. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

MASK: Final = "***"
"""Stands where a password is, in everything that is shown."""
ADDRESSES: Final = ("url", "page_template")
"""The parameters that are addresses of the site's server."""

_BARE: Final = re.compile(
    r"(?!\w+:\D)(?:[\w-]+\.)+[\w-]+(?::\d{1,5})?(?:[/?#].*)?|localhost(?::\d{1,5})?(?:[/?#].*)?", re.S
)
_PIN: Final = re.compile(r"[0-9a-f]{64}")


def with_scheme(url: str) -> str:
    """An address as people type it (`www.example.org/news`), with the scheme that browsers try first."""
    url = url.strip()
    if url.startswith("//"):
        return f"https:{url}"
    return f"https://{url}" if _BARE.fullmatch(url) else url


@dataclass(frozen=True, kw_only=True)
class Login:
    """A name and a password for HTTP Basic authentication (RFC 7617), and the only origin that may see them."""

    # Such as https://example.org:8443; a default port is left out.
    origin: str
    name: str
    password: str = field(repr=False)


def without_login(url: str) -> tuple[str, Login | None]:
    """An address without the name and password in it, and these."""
    parts = _split(url)
    if parts is None or "@" not in parts.netloc:
        return url, None
    host = parts.netloc.rpartition("@")[2]
    bare = parts._replace(netloc=host)
    name, password = unquote(parts.username or ""), unquote(parts.password or "")
    return bare.geturl(), Login(origin=origin(bare.geturl()), name=name, password=password)


def origin(url: str) -> str:
    """The scheme, host and port of an address, written in one way; "" for what is none."""
    parts = _split(url)
    if parts is None or not parts.hostname:
        return ""
    try:
        port = parts.port
    except ValueError:
        return ""
    default = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")


def masked(url: str) -> str:
    """An address to be shown: MASK in place of the password, or of a name that stands alone and may be a key."""
    parts = _split(url)
    if parts is None or "@" not in parts.netloc:
        return url
    login, _, host = parts.netloc.rpartition("@")
    name, separator, _ = login.partition(":")
    return parts._replace(netloc=f"{f'{name}:' if separator else ''}{MASK}@{host}").geturl()


def masked_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """A site's parameters to be shown."""
    return {
        name: masked(value) if name in ADDRESSES and isinstance(value, str) else value for name, value in params.items()
    }


def unmasked(url: str, before: str) -> str:
    """An address in which MASK stands for the password that the one before has. Raises ValueError when it has none."""
    if masked(url) != url or "@" not in url:
        return url
    new, old = _split(url), _split(before)
    if new is None or "@" not in new.netloc:
        return url
    if old is None or origin(url) != origin(before) or _split(masked(before)).username != new.username:  # type: ignore[union-attr]
        raise ValueError(f"{url} has {MASK} in place of a password that is not known here: write the password itself")
    return new._replace(netloc=f"{old.netloc.rpartition('@')[0]}@{new.netloc.rpartition('@')[2]}").geturl()


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


@dataclass(frozen=True, kw_only=True)
class TLSRules:
    """What a site's own certificate and server are forgiven. Everything else is verified as always."""

    # TLS 1.0 and 1.1, small keys, and signatures and ciphers that are too weak by now.
    old: bool = False
    # Certificates whose time is over, or has not come.
    expired: bool = False
    # SHA-256 fingerprints, in small hexadecimal digits: these certificates and no others are taken, whatever is odd.
    pins: frozenset[str] = frozenset()
    # Files with certificates, PEM, that may vouch for the site's.
    ca_files: tuple[str, ...] = ()


def tls_rules(entries: Sequence[str]) -> TLSRules:
    """The parameter `tls`: "old", "expired", "sha256:FINGERPRINT", "ca:FILE". Raises ValueError."""
    words = {"old": False, "expired": False}
    pins, files = set(), []
    for entry in entries:
        kind, separator, value = entry.partition(":")
        pin = value.replace(":", "").strip().lower()
        if entry in words:
            words[entry] = True
        elif kind == "sha256" and _PIN.fullmatch(pin):
            pins.add(pin)
        elif kind == "ca" and separator and value.startswith("/"):
            files.append(value)
        else:
            raise ValueError(
                f"tls is {entry!r}; it must be old, expired, sha256: and a certificate's fingerprint of 64 hexadecimal "
                "digits, or ca: and the absolute path of a PEM file"
            )
    return TLSRules(**words, pins=frozenset(pins), ca_files=tuple(files))
