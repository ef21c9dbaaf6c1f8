import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import requests

from scripts.gateway.process import GatewayProcess
from tests.integration.scripts.gateway.clients import TIMEOUT_S, FCMClient, is_reset
from tests.support.waiting import wait_until

MESSAGE = {
    "token": "phone-1",
    "notification": {"title": "국가장학금", "body": "신청 안내"},
    "data": {"post_id": "7"},
    "android": {"notification": {"tag": "post-7"}},
}


def error_code(response: requests.Response) -> str | None:
    for detail in response.json()["error"].get("details", []):
        if detail["@type"].endswith("FcmError"):
            return str(detail["errorCode"])
    return None


@contextmanager
def raw_connection(gateway: GatewayProcess) -> Iterator[ssl.SSLSocket]:
    """A TLS connection to write HTTP to."""
    environment = gateway.environment()
    context = ssl.create_default_context(cafile=environment["PUSH_CA_FILE"])
    port = urlsplit(environment["FCM_ENDPOINT"]).port
    with (
        socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as sock,
    ):
        yield sock


def raw_request(fcm: FCMClient, token: str, head: str = "") -> bytes:
    body = json.dumps({"message": {**MESSAGE, "token": token}})
    return (
        "POST /v1/projects/crawlpush-demo/messages:send HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {fcm.credentials.token}\r\nContent-Length: {len(body)}\r\n{head}\r\n{body}"
    ).encode()


def read_to_the_end(sock: ssl.SSLSocket) -> bytes:
    content = b""
    while part := sock.recv(65_536):
        content += part
    return content


def test_a_message_arrives_and_is_shown(gateway: GatewayProcess, fcm: FCMClient) -> None:
    response = fcm.send(MESSAGE)
    assert response.status_code == 200
    assert response.json()["name"].startswith("projects/crawlpush-demo/messages/")
    (push,) = gateway.received()
    assert push["platform"] == "fcm"
    assert (push["token"], push["tag"], push["title"], push["body"]) == ("phone-1", "post-7", "국가장학금", "신청 안내")
    assert push["data"] == {"post_id": "7"}
    assert push["message"] == MESSAGE


def test_a_dead_token_is_refused_when_validated_too(gateway: GatewayProcess, fcm: FCMClient) -> None:
    gateway.set_faults(dead_tokens=["phone-1"])
    for options in ({}, {"validate_only": True}):
        response = fcm.send(MESSAGE, **options)
        assert (response.status_code, error_code(response)) == (404, "UNREGISTERED")
    assert gateway.stats()["fcm"] == {"UNREGISTERED": 2}


def test_without_a_bearer(gateway: GatewayProcess, fcm: FCMClient) -> None:
    response = fcm.post("{}", "/v1/projects/crawlpush-demo/messages:send", authorization=None)
    assert response.status_code == 401
    assert response.json()["error"]["status"] == "UNAUTHENTICATED"
    assert gateway.received() == []


@pytest.mark.parametrize("path", ["/", "/v1/projects/crawlpush-demo/messages", "/fcm/send"])
def test_an_unknown_path_is_googles_html_page(fcm: FCMClient, path: str) -> None:
    response = fcm.post("{}", path)
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")
    url = f"{fcm.endpoint}/v1/projects/crawlpush-demo/messages:send"
    assert fcm.session.get(url, timeout=TIMEOUT_S).status_code == 404


def test_a_dripping_answer_comes_in_pieces_and_whole(gateway: GatewayProcess, fcm: FCMClient) -> None:
    gateway.set_faults(drip_ms=1)
    assert fcm.send(MESSAGE).json()["name"]
    gateway.set_faults(drip_ms=60_000)
    # The head comes at once, and the body does not.
    with raw_connection(gateway) as sock:
        sock.sendall(raw_request(fcm, "phone-1"))
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65_536)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            read_to_the_end(sock)


def test_the_token_end_point_refuses_what_it_did_not_ask_for(fcm: FCMClient) -> None:
    response = fcm.session.post(f"{fcm.endpoint}/token", data={"grant_type": "password"}, timeout=TIMEOUT_S)
    assert (response.status_code, response.json()["error"]) == (400, "unsupported_grant_type")
    assert fcm.session.get(f"{fcm.endpoint}/token", timeout=TIMEOUT_S).status_code == 404


def test_pipelined_messages_are_dealt_with_in_order(gateway: GatewayProcess, fcm: FCMClient) -> None:
    gateway.set_faults(jitter_ms=20, dead_tokens=["phone-3"])
    with raw_connection(gateway) as sock:
        sock.sendall(b"".join(raw_request(fcm, f"phone-{number}") for number in range(9)))
        sock.sendall(raw_request(fcm, "phone-9", "Connection: close\r\n"))
        answers = read_to_the_end(sock)
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 9
    assert answers.split(b"HTTP/1.1 ")[4].startswith(b"404 Not Found")
    assert [push["token"] for push in gateway.received()] == [f"phone-{n}" for n in range(10) if n != 3]


def test_a_reset_loses_what_was_pipelined_behind_it(gateway: GatewayProcess, fcm: FCMClient) -> None:
    gateway.set_faults(reset_every=2, latency_ms=20)
    with raw_connection(gateway) as sock:
        sock.sendall(b"".join(raw_request(fcm, f"phone-{number}") for number in range(4)))
        assert sock.recv(12) == b"HTTP/1.1 200"
        assert is_reset(sock)
    assert [push["token"] for push in gateway.received()] == ["phone-0"]


def test_who_goes_away_leaves_the_others_alone(gateway: GatewayProcess, fcm: FCMClient) -> None:
    gateway.set_faults(latency_ms=200)
    with raw_connection(gateway) as sock:
        sock.sendall(raw_request(fcm, "gone"))
        wait_until(lambda: len(gateway.received()) == 1, "the message did not arrive")
    started = time.monotonic()
    assert fcm.send(MESSAGE).status_code == 200
    assert time.monotonic() - started >= 0.2


def test_http_that_is_none(gateway: GatewayProcess) -> None:
    before = gateway.stats()["connections"]["fcm"]
    with raw_connection(gateway) as sock:
        sock.sendall(b"hello\r\n\r\n")
        answer = read_to_the_end(sock)
    assert gateway.stats()["connections"]["fcm"] == before + 1
    assert b" 400 Bad Request\r\n" in answer
    assert gateway.stats()["fcm"] == {}
