"""Small clients that speak to the gateway frame by frame, on nothing that the gateway or the product is made of."""

import json
import os
import socket
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import google.auth.transport.requests
import jwt
import requests
from google.oauth2 import service_account

from pipeline.push.apns.compat import hpack, hyperframe

frames = hyperframe.frame
CONTENT = b'{"aps":{"alert":"x"}}'
TIMEOUT_S = 60


class FCMClient:
    """Google's own credentials, and one HTTP session."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.session = requests.Session()
        # A certificate bundle in the environment would go before the session's.
        self.session.trust_env = False
        self.session.verify = environment["PUSH_CA_FILE"]
        self.endpoint = environment["FCM_ENDPOINT"]
        self.credentials = service_account.Credentials.from_service_account_file(
            environment["FCM_SERVICE_ACCOUNT_FILE"], scopes=["https://www.googleapis.com/auth/firebase.messaging"]
        )
        self.credentials.refresh(google.auth.transport.requests.Request(self.session))

    def send(self, message: Any, project: str = "crawlpush-demo", **top: Any) -> requests.Response:
        return self.post(json.dumps({"message": message, **top}), f"/v1/projects/{project}/messages:send")

    def post(self, content: str, path: str, authorization: str | None = "") -> requests.Response:
        headers = {"Content-Type": "application/json"}
        if authorization is not None:
            headers["Authorization"] = authorization or f"Bearer {self.credentials.token}"
        return self.session.post(self.endpoint + path, data=content, headers=headers, timeout=TIMEOUT_S)


@dataclass
class APNsAnswer:
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False

    @property
    def status(self) -> int:
        return int(self.headers[":status"])

    @property
    def reason(self) -> str | None:
        return json.loads(self.body)["reason"] if self.body else None


class APNsClient:
    """One HTTP/2 connection. Everything the server says is kept: answers, limits, resets, GOAWAY, its end."""

    def __init__(self, environment: dict[str, str], *, sandbox: bool = False, alpn: str | None = "h2") -> None:
        self.environment = environment
        url = environment["APNS_SANDBOX_ENDPOINT" if sandbox else "APNS_PRODUCTION_ENDPOINT"]
        context = ssl.create_default_context(cafile=environment["PUSH_CA_FILE"])
        if alpn is not None:
            context.set_alpn_protocols([alpn.removesuffix("-text")])
        port = urlsplit(url).port
        self.socket = context.wrap_socket(
            socket.create_connection(("127.0.0.1", port), TIMEOUT_S), server_hostname="127.0.0.1"
        )
        self.authorization = provider_token(environment)
        self.answers: dict[int, APNsAnswer] = {}
        self.limits: list[int] = []
        self.resets: dict[int, int] = {}
        self.goaway: int | None = None
        self.closed = False
        self._next_id = 1
        self._buffer = b""
        self._encoder, self._decoder = hpack.Encoder(), hpack.Decoder()
        if alpn == "h2":
            self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frames.SettingsFrame(0).serialize())

    def open(self, token: str, content: bytes = CONTENT, **changes: str | None) -> int:
        """Send a whole request and return its stream's id; a header of None is left out."""
        stream_id, request = self._request(token, content, **changes)
        self.socket.sendall(request)
        return stream_id

    def open_at_once(self, token: str, count: int) -> list[int]:
        """Send so many requests in one piece, so that all are there before the first is answered."""
        ids, requests = zip(*(self._request(token) for _ in range(count)), strict=True)
        self.socket.sendall(b"".join(requests))
        return list(ids)

    def _request(self, token: str, content: bytes = CONTENT, **changes: str | None) -> tuple[int, bytes]:
        stream_id, self._next_id = self._next_id, self._next_id + 2
        headers: dict[str, str | None] = {
            ":method": "POST",
            ":scheme": "https",
            ":authority": "127.0.0.1",
            ":path": f"/3/device/{token}",
            "authorization": self.authorization,
            "apns-topic": self.environment["APNS_TOPIC"],
        }
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        given = [(name, value) for name, value in headers.items() if value is not None]
        head = frames.HeadersFrame(stream_id, self._encoder.encode(given))
        head.flags.add("END_HEADERS")
        parts = [head]
        for start in range(0, len(content), 16_000):
            parts.append(frames.DataFrame(stream_id, content[start : start + 16_000]))  # noqa: PERF401
        parts[-1].flags.add("END_STREAM")
        return stream_id, b"".join(part.serialize() for part in parts)

    def send(self, token: str, content: bytes = CONTENT, **changes: str | None) -> APNsAnswer:
        """Send a request and return its answer."""
        stream_id = self.open(token, content, **changes)
        self.wait(lambda: stream_id in self.answers and self.answers[stream_id].ended)
        return self.answers[stream_id]

    def wait(self, condition: Any) -> None:
        """Read until the condition holds; fails when the server ends the connection before."""
        while not condition():
            assert not self.closed, "the server ended the connection"
            self.read()

    def read_to_the_end(self) -> None:
        """Read until the server ends the connection."""
        while not self.closed:
            self.read()

    def read(self) -> None:
        try:
            data = self.socket.recv(65_536)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        if not data:
            self.closed = True
            return
        self._buffer += data
        while len(self._buffer) >= 9:
            frame, length = frames.Frame.parse_frame_header(self._buffer[:9])
            if len(self._buffer) < 9 + length:
                break
            frame.parse_body(memoryview(self._buffer[9 : 9 + length]))
            self._buffer = self._buffer[9 + length :]
            self._take(frame)

    def _take(self, frame: Any) -> None:
        if isinstance(frame, frames.SettingsFrame):
            if "ACK" not in frame.flags:
                self.limits.append(frame.settings[frames.SettingsFrame.MAX_CONCURRENT_STREAMS])
                acknowledgement = frames.SettingsFrame(0)
                acknowledgement.flags.add("ACK")
                self.socket.sendall(acknowledgement.serialize())
        elif isinstance(frame, frames.HeadersFrame):
            self.answers[frame.stream_id] = APNsAnswer(dict(self._decoder.decode(frame.data)))
        elif isinstance(frame, frames.DataFrame):
            self.answers[frame.stream_id].body += bytes(frame.data)
        elif isinstance(frame, frames.RstStreamFrame):
            self.resets[frame.stream_id] = frame.error_code
        elif isinstance(frame, frames.GoAwayFrame):
            self.goaway = frame.last_stream_id
        if "END_STREAM" in frame.flags:
            self.answers[frame.stream_id].ended = True

    def close(self) -> None:
        self.socket.close()


def is_reset(sock: ssl.SSLSocket) -> bool:
    """Tell whether TCP itself says that the server reset a connection; Python's TLS hides it."""
    with socket.socket(fileno=os.dup(sock.fileno())) as raw:
        raw.settimeout(TIMEOUT_S)
        try:
            while raw.recv(65_536):
                pass
        except ConnectionResetError:
            return True
        return False


def provider_token(environment: dict[str, str]) -> str:
    claims = {"iss": environment["APNS_TEAM_ID"], "iat": int(time.time())}
    key = Path(environment["APNS_KEY_FILE"]).read_bytes()
    signed = jwt.encode(claims, key, algorithm="ES256", headers={"kid": environment["APNS_KEY_ID"]})
    return "bearer " + str(signed.decode())
