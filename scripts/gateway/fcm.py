"""The FCM side: HTTPS, `POST /v1/projects/{project}/messages:send` and the OAuth token endpoint."""

import itertools
from urllib.parse import parse_qsl

from scripts.gateway.answers import Answer, fcm_accepted, fcm_error, google_not_found
from scripts.gateway.credentials import PROJECT
from scripts.gateway.faults import Disturbance
from scripts.gateway.fcm_rules import check_request
from scripts.gateway.http1 import HTTPConnection, Request
from scripts.gateway.state import GatewayState

_SEND_PATH = f"/v1/projects/{PROJECT}/messages:send"
_FORM_TYPE = "application/x-www-form-urlencoded"
_NO_HEADERS: dict[str, str] = {}


class FCMSide:
    """Answers FCM's requests, on as many connections as there are."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._numbers = itertools.count(1)
        self._connections: set[HTTPConnection] = set()

    def connection(self) -> HTTPConnection:
        """Return the protocol of a new connection, and count it."""
        self._state.connections["fcm"] += 1
        return HTTPConnection(self._handle, self._connections)

    def close(self) -> None:
        """Close every connection when what was said on it is sent; answers that are still owed are not given."""
        for connection in list(self._connections):
            connection.close()

    def abort(self) -> None:
        """Drop every connection."""
        for connection in list(self._connections):
            connection.abort()

    def _handle(self, connection: HTTPConnection, request: Request) -> None:
        """Answer one request, or fail it as the plan says."""
        path = request.path
        if path == "/token" and request.method == b"POST":
            connection.answer(self._state.access_tokens.grant(_form(request)))
            return
        if request.method != b"POST" or not path.endswith("/messages:send"):
            connection.answer(google_not_found())
            return
        disturbance = self._state.plan.next("fcm")
        answer = disturbance.answer
        if disturbance.delivered:
            answer = self._judge(path, request.header(b"authorization"), request.body)
        if answer is not None and answer.code:
            self._state.record.refused("fcm", answer.code)
        if disturbance.delay_s:
            connection.later(disturbance.delay_s, _carry_out, connection, disturbance, answer)
        else:
            _carry_out(connection, disturbance, answer)

    def _judge(self, path: str, authorization: str | None, content: bytes) -> Answer:
        """Return FCM's answer, recording the message when it is accepted."""
        state = self._state
        refusal = state.access_tokens.refusal(authorization)
        if refusal is not None:
            return refusal
        if path != _SEND_PATH:
            # Of another project FCM says only that there is nothing: no FcmError, so no token is to blame.
            return fcm_error("NOT_FOUND")
        checked = check_request(content)
        if isinstance(checked, Answer):
            return checked
        token_answer = state.plan.token_answer("fcm", checked.token)
        if token_answer is not None:
            return token_answer
        if checked.validate_only:
            state.record.outcomes["fcm"]["validated"] += 1
            return fcm_accepted(f"projects/{PROJECT}/messages/fake_message_id")
        state.record.accept(platform="fcm", token=checked.token, tag=checked.tag, content=content, headers=_NO_HEADERS)
        return fcm_accepted(f"projects/{PROJECT}/messages/0:{next(self._numbers):016x}")


def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form, none when the body is not said to be one."""
    kind = (request.header(b"content-type") or "").partition(";")[0]
    if kind.strip().lower() != _FORM_TYPE:
        return {}
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))


def _carry_out(connection: HTTPConnection, disturbance: Disturbance, answer: Answer | None) -> None:
    if disturbance.manner == "silent":
        connection.ignore()
    elif disturbance.manner == "reset" or answer is None:
        connection.reset()
    elif disturbance.drip_s:
        connection.drip(answer, disturbance.drip_s)
    else:
        connection.answer(answer)
