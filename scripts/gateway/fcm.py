"""The FCM side: HTTPS, `POST /v1/projects/{project}/messages:send` and the OAuth token endpoint."""

import asyncio
import itertools
from urllib.parse import parse_qsl

from aiohttp import web

from scripts.gateway.answers import Answer, fcm_accepted, fcm_error, google_not_found
from scripts.gateway.credentials import PROJECT
from scripts.gateway.faults import Disturbance
from scripts.gateway.fcm_rules import check_request
from scripts.gateway.state import GatewayState, reset_connection

_SEND_PATH = f"/v1/projects/{PROJECT}/messages:send"
_FORM_TYPE = "application/x-www-form-urlencoded"
_NO_HEADERS: dict[str, str] = {}


class FCMServer(web.Server):
    """Answers FCM's requests, those of a connection one after the other."""

    def __init__(self, state: GatewayState) -> None:
        # Who goes away is not waited for.
        super().__init__(self._handle, handler_cancellation=True, access_log=None)
        self._state = state
        self._numbers = itertools.count(1)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count a new connection."""
        self._state.connections["fcm"] += 1
        super().connection_made(handler, transport)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or fail it as the plan says."""
        content = await request.read()
        if request.path == "/token" and request.method == "POST":
            return _response(self._state.access_tokens.grant(_form(request, content)))
        if request.method != "POST" or not request.path.endswith("/messages:send"):
            return _response(google_not_found())
        disturbance = self._state.plan.next("fcm")
        answer = disturbance.answer
        if disturbance.delivered:
            answer = self._judge(request.path, request.headers.get("Authorization"), content)
        if answer is not None and answer.code:
            self._state.record.refused("fcm", answer.code)
        if disturbance.delay_s:
            await asyncio.sleep(disturbance.delay_s)
        return await _carry_out(request, disturbance, answer)

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


def _form(request: web.BaseRequest, content: bytes) -> dict[str, str]:
    """Return the fields of a form, none when the body is not said to be one."""
    if request.content_type != _FORM_TYPE:
        return {}
    return dict(parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True))


def _response(answer: Answer) -> web.Response:
    headers = {"Content-Type": answer.content_type, **dict(answer.headers)}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def _carry_out(request: web.BaseRequest, disturbance: Disturbance, answer: Answer | None) -> web.StreamResponse:
    if disturbance.manner != "answer" or answer is None:
        if disturbance.manner == "reset":
            reset_connection(request.transport)
        # Until the connection is gone, which cancels this.
        never: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
        return await never
    if disturbance.drip_s:
        return await _drip(request, answer, disturbance.drip_s)
    return _response(answer)


async def _drip(request: web.BaseRequest, answer: Answer, drip_s: float) -> web.StreamResponse:
    """Send the head at once, and a byte of the body every `drip_s` seconds."""
    response = web.StreamResponse(status=answer.status, headers=_response(answer).headers)
    response.content_length = len(answer.body)
    writer = await response.prepare(request)
    if writer is not None:
        writer.send_headers()
    for position in range(len(answer.body)):
        await asyncio.sleep(drip_s)
        await response.write(answer.body[position : position + 1])
    return response
