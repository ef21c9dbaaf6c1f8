"""What goes over the wire: the fields that requests may have, and those that answers have.

Requests refuse fields that they do not know. Texts never hold NUL, which PostgreSQL cannot store.
"""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.basics.ids import LARGEST_ID

Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]


def _clean(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a text must not hold NUL")
    return text


Text = Annotated[str, AfterValidator(_clean)]
Name = Annotated[Text, Field(min_length=1, max_length=64)]
Installation = Annotated[Text, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]


class In(BaseModel):
    """A request's body or query."""

    model_config = ConfigDict(extra="forbid", str_max_length=4096)


class Problem(BaseModel):
    """An error, as RFC 9457 has it; `detail` is a sentence for a person."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class PageIn(In):
    """A page of a list."""

    cursor: Id | None = Field(None, description="`next_cursor` of the page before.")
    limit: int = Field(50, ge=1, le=100)


class PostBrief(BaseModel):
    """The post that a notification is about."""

    id: int
    site: str
    title: str
    url: str
    gone_at: datetime | None = Field(None, description="Since when its page shows it no more.")
