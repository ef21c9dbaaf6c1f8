"""The vendors' credentials files: read, checked, and described in words. Never shows what is in a key."""

import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.push.channel import CredentialsError

_ACCOUNT_KEYS = ("type", "project_id", "private_key_id", "private_key", "client_email", "token_uri")
_NEW_ACCOUNT = "create a key in the Firebase console, Project settings, Service accounts"
_NEW_APNS_KEY = "create a key for APNs in the Apple developer account, Certificates, Identifiers & Profiles, Keys"


@dataclass(frozen=True, kw_only=True)
class ServiceAccount:
    """A Google service account file that passed every check that needs no network."""

    path: str
    project_id: str
    client_email: str
    key_id: str
    token_uri: str


@dataclass(frozen=True, kw_only=True)
class APNsKey:
    """An APNs signing key that passed every check that needs no network."""

    path: str
    key: EllipticCurvePrivateKey = field(repr=False)


def load_service_account(path: str) -> ServiceAccount:
    """Read a service account file. Raises CredentialsError with one sentence."""
    text = _read(path, "service account file", _NEW_ACCOUNT)
    try:
        info: Any = json.loads(text)
    except ValueError:
        raise CredentialsError(f"The service account file {path} is not JSON; {_NEW_ACCOUNT}.") from None
    if not isinstance(info, dict) or info.get("type") != "service_account":
        raise CredentialsError(
            f'The file {path} is no service account file (its "type" is not "service_account"); {_NEW_ACCOUNT}.'
        )
    missing = [key for key in _ACCOUNT_KEYS if not isinstance(info.get(key), str) or not info[key]]
    if missing:
        raise CredentialsError(f"The service account file {path} lacks {', '.join(missing)}; {_NEW_ACCOUNT}.")
    if not isinstance(_private_key(info["private_key"]), RSAPrivateKey):
        raise CredentialsError(f"The private_key in {path} cannot be read as an RSA key; {_NEW_ACCOUNT}.")
    return ServiceAccount(
        path=path,
        project_id=info["project_id"],
        client_email=info["client_email"],
        key_id=info["private_key_id"],
        token_uri=info["token_uri"],
    )


def load_apns_key(path: str) -> APNsKey:
    """Read an APNs key file (AuthKey_XXXXXXXXXX.p8). Raises CredentialsError with one sentence."""
    text = _read(path, "APNs key file", _NEW_APNS_KEY)
    key = _private_key(text)
    if key is None:
        raise CredentialsError(f"The APNs key file {path} is not a PEM private key (.p8); {_NEW_APNS_KEY}.")
    # Apple, "Establishing a token-based connection to APNs": ES256 only.
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise CredentialsError(
            f"The APNs key file {path} holds no P-256 key; it is not a key for APNs: {_NEW_APNS_KEY}."
        )
    return APNsKey(path=path, key=key)


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a client context that checks certificate and host name, against `ca_file` when one is given."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError):
        raise CredentialsError(
            f"The CA file {ca_file} cannot be read as PEM certificates; correct its path, or leave it out."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _read(path: str, what: str, way_out: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CredentialsError(f"There is no {what} at {path}; {way_out}, and give its path.") from None
    except IsADirectoryError:
        raise CredentialsError(f"The {what} {path} is a folder; give the path of the file in it.") from None
    except PermissionError:
        raise CredentialsError(f"The {what} {path} may not be read by this user; change its owner.") from None
    except (OSError, ValueError):
        raise CredentialsError(f"The {what} {path} cannot be read as text; {way_out}.") from None


def _private_key(pem: str) -> object | None:
    try:
        return load_pem_private_key(pem.encode("utf-8"), password=None)
    except Exception:
        return None
