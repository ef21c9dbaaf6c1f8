"""TLS towards sites: every certificate is verified, each refusal is said in words, and a site may be forgiven."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL, crypto
from scrapy.core.downloader import tls as scrapy_tls
from twisted.internet._sslverify import ClientTLSOptions
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.web.client import BrowserLikePolicyForHTTPS

from pipeline.basics.access import TLSRules

_LEGACY_SERVER_CONNECT: Final = 0x4
"""SSL_OP_LEGACY_SERVER_CONNECT of <openssl/ssl.h>: servers without secure renegotiation (RFC 5746)."""
_NO_RULES: Final = TLSRules()
_identity: Final[Any] = scrapy_tls
"""Where Scrapy has what it and Twisted verify names with, service_identity: that is their dependency, not ours."""

# X509_V_ERR_... of <openssl/x509_vfy.h>.
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_NO_ISSUER: Final = frozenset({2, 20, 21})
_TOO_WEAK: Final = frozenset({66, 67, 68})


class TLSPolicy(BrowserLikePolicyForHTTPS):
    """Makes the connections to https sites; `refusals` says why a host's certificate was refused, by host."""

    def __init__(self, host: str, rules: TLSRules) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._host = host
        self._rules = rules
        self._contexts: dict[TLSRules, SSL.Context] = {}
        self.refusals: dict[str, str] = {}

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:  # noqa: ARG002, N802 - Twisted's name
        """What connects to a host. What the site is forgiven, no other host is, wherever it redirects to."""
        host = hostname.decode("ascii").lower()
        rules = self._rules if host == self._host else _NO_RULES
        if rules not in self._contexts:
            self._contexts[rules] = _context(rules)
        return _Creator(self._contexts[rules], host, rules, self.refusals)


def _context(rules: TLSRules) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_options(SSL.OP_ALL | SSL.OP_NO_COMPRESSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_min_proto_version(SSL.TLS1_VERSION if rules.old else SSL.TLS1_2_VERSION)
    if rules.old:
        context.set_options(_LEGACY_SERVER_CONNECT)
    context.set_cipher_list(b"ALL:@SECLEVEL=0" if rules.old or rules.pins else b"DEFAULT")
    context.set_default_verify_paths()
    for file in rules.ca_files:
        try:
            context.load_verify_locations(file)
        except SSL.Error:
            what = "holds no certificates in PEM form" if Path(file).is_file() else "is not there, or cannot be read"
            raise ValueError(f"tls is 'ca:{file}', but that file {what}") from None
    if rules.ca_files and (store := context.get_cert_store()) is not None:
        # So that an intermediate certificate, which is what is mostly missing, may vouch without its root.
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    return context


class _Creator(ClientTLSOptions):
    def __init__(self, context: SSL.Context, host: str, rules: TLSRules, refusals: dict[str, str]) -> None:
        self._context = context
        self._host = host
        self._rules = rules
        self._refusals = refusals

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:  # noqa: ARG002, N802, N803 - Twisted's
        """A connection that verifies."""
        connection = SSL.Connection(self._context)
        if not _is_address(self._host):
            connection.set_tlsext_host_name(self._host.encode())
        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._callback())
        return connection

    def _callback(self) -> Callable[[SSL.Connection, crypto.X509, int, int, int], bool]:
        def verify(_: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
            # An exception would be lost in OpenSSL.
            try:
                refusal = self._refusal(certificate, error, depth, ok=bool(ok))
            except Exception as unexpected:
                refusal = f"its certificate cannot be read ({unexpected})"
            if refusal:
                self._refusals.setdefault(self._host, refusal)
            return not refusal

        return verify

    def _refusal(self, certificate: crypto.X509, error: int, depth: int, *, ok: bool) -> str:
        """Why a certificate of the chain is refused; "" when it is taken. Each is asked about, the site's own last."""
        shown = certificate.to_cryptography()
        if self._rules.pins:
            known = depth or _fingerprint(shown) in self._rules.pins
            return (
                "" if known else f"its certificate is another than the pinned one: it is sha256:{_fingerprint(shown)}"
            )
        if not ok and not (self._rules.expired and error in {_EXPIRED, _NOT_YET_VALID}):
            return _words(shown, error)
        if depth:
            return ""
        wanted = _identity.IPAddress_ID(self._host) if _is_address(self._host) else _identity.DNS_ID(self._host)
        try:
            _identity.verify_service_identity(_identity.extract_patterns(certificate), [wanted], [])
        except (_identity.CertificateError, _identity.VerificationError):
            names = ", ".join(_names(shown)) or "nobody"
            return (
                f"its certificate is for {names}, not for {self._host}: correct the address, or, if it is the right "
                f"server, -p tls=sha256:{_fingerprint(shown)}"
            )
        return ""


def _is_address(host: str) -> bool:
    return isIPAddress(host) or isIPv6Address(host)


def _words(certificate: x509.Certificate, error: int) -> str:
    issuer = _name(certificate.issuer)
    pin = f"-p tls=sha256:{_fingerprint(certificate)}"
    match error:
        case 10:
            return (
                f"its certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}: -p tls=expired overlooks that"
            )
        case 9:
            since = f"{certificate.not_valid_before_utc:%Y-%m-%d}"
            return f"its certificate is valid from {since} only (is the clock of this machine right?): -p tls=expired"
        case 18:
            return f"its certificate is signed by nobody but itself: if it is the right one, {pin}"
        case 19:
            root = _name(certificate.subject)
            return f"its certificate is vouched for by {root}, which this machine does not know: -p tls=ca:FILE"
        case _ if error in _NO_ISSUER:
            return (
                f"nobody known vouches for its certificate: the one of {issuer} is missing, which the server should "
                "send along, or which this machine does not know; get it and give it, -p tls=ca:FILE"
            )
        case _ if error in _TOO_WEAK:
            return "the key or the signature of its certificate is too weak: -p tls=old takes it all the same"
    return f"its certificate was refused (OpenSSL's error {error}): if it is the right one, {pin}"


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def _name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME) or list(name)
    return repr(str(found[0].value)[:80]) if found else "an issuer without a name"


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [str(each.value)[:80] for each in list(names)[:4]]


_HANDSHAKE: Final = (
    (
        ("unsupported protocol", "protocol version", "version too low", "unsafe legacy renegotiation", "key too small",
         "handshake failure", "bad signature type", "legacy sigalg", "wrong signature type", "no ciphers available"),
        "it speaks only old TLS, or ciphers that are too weak: -p tls=old allows that for this site",
    ),
    (
        ("wrong version number", "http request", "packet length too long", "record layer failure"),
        "it does not speak TLS there: perhaps the address begins with http:// or has another port",
    ),
    (("unrecognized name",), "it does not know this name"),
    (("certificate required", "bad certificate"), "it wants a certificate of ours, which crawlpush cannot show"),
    (("internal error", "unexpected eof", "decode error"), "it broke off while the encryption was being agreed upon"),
)  # fmt: skip
"""What OpenSSL says of a handshake, in small letters, and what it means for the site's owner."""


def handshake_words(error: SSL.Error) -> str:
    """Why a handshake failed that no certificate is to blame for."""
    said = "; ".join(str(part[-1]) for part in (error.args[0] if error.args else ()) if part) or "no reason was given"
    meaning = next((words for marks, words in _HANDSHAKE if any(mark in said.lower() for mark in marks)), "")
    return f"{meaning} ({said})" if meaning else said
