"""Phrases before somebody subscribes to them: what they would find, and what others want."""

from typing import Annotated

from fastapi import APIRouter, Depends

from pipeline.web.answers import preview_out
from pipeline.web.callers import USER, Caller, allow
from pipeline.web.context import Services
from pipeline.web.schemas.people import SubscriptionIn
from pipeline.web.schemas.phrases import PreviewOut, SuggestionOut

router = APIRouter(prefix="/v1/phrases", tags=["phrases"])
Anybody = Annotated[Caller, Depends(allow(USER, "app", "read"))]


@router.post("/preview", summary="What a subscription would have found among the latest posts")
def preview_phrase(body: SubscriptionIn, services: Services, _: Anybody) -> PreviewOut:
    """Among the newest 2,000 posts, of the last 90 days. Nothing is stored."""
    return preview_out(services.previews.look(body.entry("nobody")))


@router.get("/suggestions", summary="The phrases that most people subscribed to lately")
def suggest_phrases(services: Services, _: Anybody) -> list[SuggestionOut]:
    """Of each there are five people at least."""
    return [SuggestionOut(phrase=text, people=count) for text, count in services.previews.suggestions()]
