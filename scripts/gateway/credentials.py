"""The gateway's own credentials: a certificate, a service account, an APNs key. Made once, kept in a folder."""

import datetime
import ipaddress
import json
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from scripts.errors import CommandError

PROJECT = "crawlpush-demo"
CLIENT_EMAIL = f"gateway@{PROJECT}.iam.gserviceaccount.com"
# Apple's key ids and team ids have ten characters.
APNS_KEY_ID = "CRAWLPUSH1"
APNS_TEAM_ID = "DEMOTEAM01"
APNS_TOPIC = "org.crawlpush.demo"

# Held by the gateway that uses the folder: a second one would write its own port into the service account.
LOCK_NAME = "gateway.lock"
_CA, _SERVER, _ACCOUNT = "ca.pem", "server.pem", "service-account.json"
_APNS_KEY = f"AuthKey_{APNS_KEY_ID}.p8"
_VALID = datetime.timedelta(days=365)


class CredentialsError(CommandError):
    """The credentials folder cannot be used; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class GatewayCredentials:
    """Where the credentials lie, and the public keys that check what clients sign with them."""

    folder: Path
    account_key: rsa.RSAPublicKey
    apns_key: ec.EllipticCurvePublicKey
    # Where the service account asks for access tokens.
    token_uri: str

    @property
    def ca_file(self) -> Path:
        """The certificate that a client has to trust."""
        return self.folder / _CA

    @property
    def server_file(self) -> Path:
        """The server's certificate and private key, for 127.0.0.1 and localhost."""
        return self.folder / _SERVER

    @property
    def service_account_file(self) -> Path:
        """The service account that pyfcm reads."""
        return self.folder / _ACCOUNT

    @property
    def apns_key_file(self) -> Path:
        """The ES256 key that signs provider tokens."""
        return self.folder / _APNS_KEY


def prepare_credentials(folder: Path, token_uri: str) -> GatewayCredentials:
    """Read the credentials in `folder`, making what is missing or about to expire.

    The service account is written anew each time: it names `token_uri`, whose port changes.
    Raises CredentialsError when the folder belongs to something else or cannot be written.
    """
    folder = folder.resolve()
    try:
        claim_folder(folder)
        if not _server_is_valid(folder):
            _write_certificates(folder)
        if not (folder / _APNS_KEY).exists():
            _write_private(folder / _APNS_KEY, _pem(ec.generate_private_key(ec.SECP256R1())))
        account_key = _write_service_account(folder, token_uri)
        apns_key = serialization.load_pem_private_key((folder / _APNS_KEY).read_bytes(), None)
    except OSError as error:
        raise _unusable(folder, error) from error
    except ValueError as error:
        raise CredentialsError(f"A credentials file in {folder} is damaged; delete the folder.") from error
    if not isinstance(apns_key, ec.EllipticCurvePrivateKey):
        raise CredentialsError(f"{_APNS_KEY} in {folder} is not an EC key; delete the folder.")
    return GatewayCredentials(
        folder=folder, account_key=account_key, apns_key=apns_key.public_key(), token_uri=token_uri
    )


def _unusable(folder: Path, error: OSError) -> CredentialsError:
    return CredentialsError(
        f"The gateway cannot keep its credentials in {folder} ({error.strerror}); "
        "name a folder of your own with --folder."
    )


def claim_folder(folder: Path) -> None:
    """Make the folder, or make sure that it is ours, before its permissions are narrowed.

    Raises CredentialsError when it holds something else or cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error
    if any(folder.iterdir()) and not any((folder / name).exists() for name in (_CA, _APNS_KEY, _ACCOUNT, LOCK_NAME)):
        raise CredentialsError(
            f"{folder} holds something else than the gateway's credentials; "
            "name an empty or a new folder with --folder."
        )
    folder.chmod(0o700)


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def _write_service_account(folder: Path, token_uri: str) -> rsa.RSAPublicKey:
    path = folder / _ACCOUNT
    if path.exists():
        try:
            text = str(json.loads(path.read_bytes())["private_key"])
        except (KeyError, TypeError) as error:
            raise ValueError("the service account has no private key") from error
        key = serialization.load_pem_private_key(text.encode(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("the service account's key is not an RSA key")
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    account = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "loopback",
        "private_key": _pem(key).decode(),
        "client_email": CLIENT_EMAIL,
        "client_id": "100000000000000000000",
        "token_uri": token_uri,
    }
    _write_private(path, json.dumps(account, indent=2).encode())
    return key.public_key()


def _server_is_valid(folder: Path) -> bool:
    """Tell whether both certificates are there and good for another day."""
    if not ((folder / _CA).exists() and (folder / _SERVER).exists()):
        return False
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    files = (folder / _CA, folder / _SERVER)
    certificates = [x509.load_pem_x509_certificate(file.read_bytes()) for file in files]
    return all(certificate.not_valid_after_utc > tomorrow for certificate in certificates)


def _write_certificates(folder: Path) -> None:
    """Make a certificate authority, sign a server certificate, and forget the authority's key."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "crawlpush loopback gateway")])
    authority = _builder(ca_name, ca_name, ca_key)
    authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    authority = authority.add_extension(_usage(signs_certificates=True), critical=True)
    ca = _identified(authority, ca_key, ca_key).sign(ca_key, hashes.SHA256())

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    server = _builder(name, ca_name, key)
    server = server.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    server = server.add_extension(x509.SubjectAlternativeName(names), critical=False)
    server = server.add_extension(_usage(signs_certificates=False), critical=True)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    server = server.add_extension(purpose, critical=False)
    certificate = _identified(server, key, ca_key).sign(ca_key, hashes.SHA256())

    _write_private(folder / _SERVER, certificate.public_bytes(serialization.Encoding.PEM) + _pem(key))
    _write_private(folder / _CA, ca.public_bytes(serialization.Encoding.PEM))


def _builder(name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    # An hour of slack for clocks that differ, a container's and its host's for example.
    return builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + _VALID)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _identified(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, ca_key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    """Add the key identifiers, without which Python 3.13 refuses the chain (VERIFY_X509_STRICT)."""
    subject = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(subject, critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return builder.add_extension(authority, critical=False)
