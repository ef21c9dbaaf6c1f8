"""The pages of operators as an ASGI application: routes, who may see them, and how errors are told.

To add a page: a handler in the module of its subject, a line in ROUTES, a template.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hmac import compare_digest
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from sqlalchemy.exc import DataError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.web.context import Context
from pipeline.web.pages import sites, snapshots, tracing, trying
from pipeline.web.pages.call import Call, Handler, go_to, id_of
from pipeline.web.pages.mount import ROOT
from pipeline.web.pages.now import NowPage
from pipeline.web.pages.rendering import LANGUAGE_COOKIE, LANGUAGES, language_of, static_files
from pipeline.web.pages.signing_in import SESSION_LIVES, Asked, Operator, end_session, signed_in, use_link
from pipeline.web.peer import peer_of
from pipeline.web.problems import AWAY, OURS, ProblemError, status_of
from storage import operators

logger = logging.getLogger(__name__)

_YEAR_S: Final = 365 * 86_400
CHANGES_SHOWN: Final = 50


@dataclass(frozen=True, kw_only=True)
class Page:
    """A route."""

    path: str
    handler: Handler
    method: str = "GET"
    # Whether it is for those who are not signed in as well.
    is_public: bool = False


def sign_in_page(call: Call) -> Response:
    """What one sees without a session. The link alone changes nothing: programs that preview links open them too."""
    key = call.query.get("key", "")
    return call.page("sign_in.html", HTTPStatus.OK if key else HTTPStatus.UNAUTHORIZED, key=key)


def sign_in(call: Call) -> Response:
    """Use a link."""
    if not call.asked.cookie:
        raise ProblemError(
            HTTPStatus.FORBIDDEN, "sign in over https, or on this machine: a session over plain http could be read"
        )
    operator = use_link(call.services.database, call.form.get("key", ""), now=call.at)
    if operator is None:
        raise ProblemError(
            HTTPStatus.FORBIDDEN, "the link was used, or is older than ten minutes: `crawlpush web link` prints another"
        )
    return _remember(go_to("/"), call.asked, operator)


def sign_out(call: Call) -> Response:
    """End the session."""
    assert call.operator is not None
    end_session(call.services.database, call.operator, now=call.at)
    answer = go_to("/sign-in")
    answer.delete_cookie(call.asked.cookie, secure=call.asked.scheme == "https", httponly=True, samesite="strict")
    return answer


def changes_page(call: Call) -> Response:
    """Who changed what."""
    before = id_of(call.query.get("before", ""))
    with call.services.database.reading() as session:
        rows = operators.changes(session, limit=CHANGES_SHOWN + 1, before=before)
    more = rows[CHANGES_SHOWN - 1].id if len(rows) > CHANGES_SHOWN else None
    return call.page("changes.html", rows=rows[:CHANGES_SHOWN], more=more)


ROUTES: Final = (
    Page(path="/sites", handler=sites.list_page),
    Page(path="/sites/{site}", handler=sites.site_page),
    Page(path="/sites/{site}", handler=sites.change_site, method="POST"),
    Page(path="/held", handler=sites.held_page),
    Page(path="/try", handler=trying.try_page),
    Page(path="/try", handler=trying.try_it, method="POST"),
    Page(path="/try/{kept}", handler=trying.kept_page),
    # Who has the name of a try may see its snapshot: the frame it stands in has no session.
    Page(path="/snapshot/{kept}/{role}/", handler=snapshots.frame, is_public=True),
    Page(path="/snapshot/{kept}/{role}/{number}", handler=snapshots.clicked, is_public=True),
    Page(path="/posts", handler=tracing.posts_page),
    Page(path="/posts/{post}", handler=tracing.post_page),
    Page(path="/people", handler=tracing.find_person),
    Page(path="/people/{user:path}", handler=tracing.person_page),
    Page(path="/changes", handler=changes_page),
    Page(path="/sign-in", handler=sign_in_page, is_public=True),
    Page(path="/sign-in", handler=sign_in, method="POST", is_public=True),
    Page(path="/sign-out", handler=sign_out, method="POST"),
)


def create_pages(context: Context) -> Starlette:
    """The application, to be mounted at ROOT."""
    pages = (Page(path="/", handler=NowPage(context)), *ROUTES)
    routes = [Route(page.path, _endpoint(context, page), methods=[page.method]) for page in pages]
    return Starlette(routes=[*routes, Route("/static/{name}", _static), Route("/{path:path}", _missing(context))])


async def _static(request: Request) -> Response:
    file = static_files().get(request.path_params["name"])
    if file is None:
        return Response(status_code=HTTPStatus.NOT_FOUND)
    headers = {"Cache-Control": f"public, max-age={_YEAR_S}, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(file.content, media_type=file.media_type, headers=headers)


def _missing(context: Context) -> Callable[[Request], object]:
    def handler(_call: Call) -> Response:
        raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such page")

    return _endpoint(context, Page(path="", handler=handler))


def _endpoint(context: Context, page: Page) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        body = await request.body() if page.method == "POST" else b""
        return await run_in_threadpool(_answer, context, page, request, body)

    return endpoint


def _answer(context: Context, page: Page, request: Request, body: bytes) -> Response:
    language = language_of(
        request.query_params.get("lang"),
        request.cookies.get(LANGUAGE_COOKIE),
        request.headers.get("accept-language"),
    )
    call = Call(
        services=context,
        asked=_asked(context, request),
        language=language,
        path=request.path_params,
        query=dict(request.query_params),
        form=_form(body),
        at=context.clock(),
    )
    answer = _guarded(call, page)
    if request.query_params.get("lang") in LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR_S, path=ROOT, httponly=True, samesite="strict")
    return answer


def _guarded(call: Call, page: Page) -> Response:
    """The page's answer; or why there is none, as a page."""
    try:
        if page.method == "POST" and call.asked.is_from_elsewhere:
            raise ProblemError(HTTPStatus.FORBIDDEN, "the form came from another site, so nothing was changed")
        if page.is_public:
            return page.handler(call)
        proxies = call.services.settings.web_operator_proxies
        operator = signed_in(call.services.database, call.asked, proxies=proxies, now=call.at)
        if operator is None:
            return sign_in_page(replace(call, query={}))
        # From here on what goes wrong is told with the way back to the other pages.
        call = replace(call, operator=operator)
        return _for_operator(call, page, operator)
    except OURS as error:
        status = error.status if isinstance(error, ProblemError) else status_of(error)
        return _told(call, status, str(error))
    except DataError:
        return _told(call, HTTPStatus.UNPROCESSABLE_ENTITY, "a value cannot be stored: it is out of range, or no text")
    except AWAY:
        return _told(
            call, HTTPStatus.SERVICE_UNAVAILABLE, "the database or Redis is away: this page comes back with it"
        )
    except Exception:
        logger.exception("a page failed")
        return _told(call, HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here; it was logged")


def _for_operator(call: Call, page: Page, operator: Operator) -> Response:
    token = call.form.get("token", "")
    if page.method == "POST" and not compare_digest(token.encode(), operator.token.encode()):
        raise ProblemError(HTTPStatus.FORBIDDEN, "the form is of another session, so nothing was changed")
    answer = page.handler(call)
    return _remember(answer, call.asked, operator) if operator.is_new else answer


def _told(call: Call, status: int, sentence: str) -> Response:
    return call.page("error.html", status, sentence=sentence)


def _remember(answer: Response, asked: Asked, operator: Operator) -> Response:
    if asked.cookie:
        answer.set_cookie(
            asked.cookie,
            operator.session,
            max_age=int(SESSION_LIVES.total_seconds()),
            secure=asked.scheme == "https",
            httponly=True,
            samesite="strict",
        )
    return answer


def _asked(context: Context, request: Request) -> Asked:
    header = context.settings.web_operator_header
    return Asked(
        scheme=request.url.scheme,
        host=request.headers.get("host", ""),
        peer=peer_of(request.scope),
        cookies=request.headers.get("cookie", ""),
        proxy_user=request.headers.get(header, "") if header else "",
        origin=request.headers.get("origin"),
    )


def _form(body: bytes) -> Mapping[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        return {}
