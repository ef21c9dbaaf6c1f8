"""The FCM side: HTTPS, `POST /v1/projects/{project}/messages:send` and the OAuth token endpoint."""

import asyncio
import itertools
import socket
import struct

from aiohttp import web

from scripts.gateway.answers import Answer, fcm_accepted, fcm_error, google_not_found
from scripts.gateway.credentials import PROJECT
from scripts.gateway.faults import CALM, Disturbance
from scripts.gateway.fcm_rules import check_request
from scripts.gateway.state import GatewayState

_SEND_PATH = f"/v1/projects/{PROJECT}/messages:send"
_NO_HEADERS: dict[str, str] = {}


def reset_connection(transport: asyncio.BaseTransport | None) -> None:
    """Close a TCP connection with RST, as a dying server or a NAT does."""
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.Transport):
        transport.abort()


class FCMSide:
    """Answers FCM's requests. `handle` is the handler of an aiohttp low-level server."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._numbers = itertools.count(1)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or fail it as the plan says."""
        path = request.path
        if path == "/token":
            return await self._token(request)
        if request.method != "POST" or not path.endswith("/messages:send"):
            return _response(google_not_found())
        content = await request.read()
        disturbance = self._state.plan.next("fcm")
        answer = disturbance.answer
        if disturbance.delivered:
            answer = self._judge(path, request.headers.get("Authorization"), content)
        if answer is not None and answer.code:
            self._state.record.refused("fcm", answer.code)
        if disturbance is CALM:
            return _response(answer or fcm_error("INTERNAL"))
        return await _disturbed(request, disturbance, answer)

    async def _token(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            return _response(google_not_found())
        return _response(self._state.access_tokens.grant(await request.post()))

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


def _response(answer: Answer) -> web.Response:
    headers = {"Content-Type": answer.content_type, **dict(answer.headers)}
    return web.Response(body=answer.body, status=answer.status, headers=headers)


async def _disturbed(request: web.BaseRequest, disturbance: Disturbance, answer: Answer | None) -> web.StreamResponse:
    if disturbance.delay_s:
        await asyncio.sleep(disturbance.delay_s)
    if disturbance.manner == "silent":
        await asyncio.Event().wait()  # until the client gives up, which cancels this handler
    if disturbance.manner == "reset" or answer is None:
        reset_connection(request.transport)
        return web.Response()
    response = _response(answer)
    if disturbance.drip_s:
        return await _drip(request, response, disturbance.drip_s)
    return response


async def _drip(request: web.BaseRequest, whole: web.Response, drip_s: float) -> web.StreamResponse:
    """Send the head at once, and the body byte by byte."""
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    body = whole.body if isinstance(whole.body, bytes) else b""
    response.content_length = len(body)
    await response.prepare(request)
    for position in range(len(body)):
        await asyncio.sleep(drip_s)
        await response.write(body[position : position + 1])
    await response.write_eof()
    return response
