"""Users as a back end manages them: the list, and thousands at once."""

import io
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request

from pipeline.delivery.asking import timing_of
from pipeline.people import records
from pipeline.people.importing import (
    Importer,
    device_importer,
    import_batch,
    subscription_importer,
    user_importer,
)
from pipeline.settings import Settings
from pipeline.web.callers import Caller, allow
from pipeline.web.context import Services
from pipeline.web.schemas.basics import In
from pipeline.web.schemas.people import ImportOut, RejectedLine

router = APIRouter(prefix="/v1", tags=["users"])


class ImportIn(In):
    """What the lines are."""

    kind: Literal["users", "devices", "subscriptions"] = "users"
    add_users: bool = True


async def _body(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/users:import",
    summary="Register thousands at once: JSON Lines, as `crawlpush users import` takes them",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/x-ndjson": {"schema": {"type": "string", "example": '{"user": "minji"}\n'}}},
        }
    },
)
def import_users(
    query: Annotated[ImportIn, Query()],
    body: Annotated[bytes, Depends(_body)],
    services: Services,
    _: Annotated[Caller, Depends(allow("app"))],
) -> ImportOut:
    """One transaction; lines that cannot be stored are told with their reasons, and keep no other line out."""
    importer = _importer(query, services.settings)
    lines = list(records.read(io.BytesIO(body), "jsonl", importer.columns, done=lambda _count: None))
    end = import_batch(services.database, importer, lines)
    return ImportOut(
        read=len(lines),
        added=end.added,
        rejected=[RejectedLine(line=line, reason=reason) for line, reason in sorted(end.problems.items())],
    )


def _importer(query: ImportIn, settings: Settings) -> Importer:
    match query.kind:
        case "users":
            return user_importer(timing=timing_of(settings))
        case "devices":
            return device_importer(add_users=query.add_users)
        case "subscriptions":
            return subscription_importer(
                limit=settings.subscriptions_per_user, add_users=query.add_users, timing=timing_of(settings)
            )
