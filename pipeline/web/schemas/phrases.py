"""Of phrases before they are subscribed to: what answers say."""

from datetime import datetime

from pydantic import BaseModel, Field

from pipeline.web.schemas.basics import PostBrief


class FoundOut(PostBrief):
    """A post that the phrase finds."""

    first_seen_at: datetime
    through: list[str] = Field(description="The synonyms without which it would not be found.")


class NearOut(BaseModel):
    """A phrase near to one that finds nothing."""

    phrase: str
    hits: int


class PreviewOut(BaseModel):
    """What the phrase would have found."""

    phrase: str = Field(description="The canonical form.")
    kind: str
    sentence: str = Field(description="What follows, for a person.", examples=["9 of the last 2,000 posts"])
    posts: int = Field(description="How many posts were looked at.")
    days: int = Field(description="How many days they are from.")
    hits: int
    per_day: float = Field(description="How often a phone would ring.")
    newest: list[FoundOut]
    sites: dict[str, int] = Field(description="Hits by site, the most first.")
    near: list[NearOut] = Field(description="Where nothing is found: phrases near it that find something.")


class SuggestionOut(BaseModel):
    """A phrase that others want."""

    phrase: str
    people: int = Field(description="How many subscribed lately; five at least.")
