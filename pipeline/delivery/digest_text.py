"""What a digest says: the message about all that waited for a person, for one of their devices. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pipeline.delivery.compose import address
from pipeline.push.message import ELLIPSIS, Message, boundary_before, clean_text, tag_for_digest
from storage.claims import Claimed
from storage.digests import Member
from storage.outgoing import PostText, Target

NAMED: Final = 3
"""Posts that are named; the others are counted."""
TITLE_CHARACTERS: Final = 80
"""Of each title: so all that are named fit into a payload, and onto a screen."""
IDS: Final = 50
"""Ids of posts that the app gets; it asks for the others."""


@dataclass(frozen=True, kw_only=True)
class _Words:
    title: str
    last_of_two: str
    further: str


_ENGLISH: Final = _Words(title="{count} new", last_of_two=" and ", further=" and {more} more")
_LANGUAGES: Final[Mapping[str, _Words]] = {
    "ko": _Words(title="새 글 {count}개", last_of_two=", ", further=" 외 {more}개"),
}
"""By the language of a locale such as ko-KR; English for all others."""


def compose_digest(
    digest_id: int, told: Sequence[tuple[Member, PostText]], notification: Claimed, target: Target, *, link: str
) -> Message:
    """The message about the posts of a digest, at least two, in the order in which they are to be named."""
    words = _LANGUAGES.get((target.locale or "").replace("_", "-").partition("-")[0].lower(), _ENGLISH)
    titles = [_short(clean_text(post.title) or post.site) for _, post in told[:NAMED]]
    more = len(told) - len(titles)
    if more:
        body = ", ".join(titles) + words.further.format(more=more)
    else:
        body = words.last_of_two.join([", ".join(titles[:-1]), titles[-1]])
    expires_at = max(expiry(member, post) for member, post in told)
    created_at = min(member.created_at for member, _ in told)
    return Message(
        **address(notification, target),
        tag=tag_for_digest(digest_id),
        title=words.title.format(count=len(told)),
        body=body,
        url=link or None,
        data={
            "digest_id": str(digest_id),
            "notification_id": str(notification.id),
            "count": str(len(told)),
            "post_ids": ",".join(str(post.id) for _, post in told[:IDS]),
        },
        # What is sent becomes unread, all of it.
        badge=notification.badge - 1 + len(told),
        sound=None,
        thread_id="digest",
        interruption="passive",
        category="digest",
        created_at=created_at,
        ttl_s=int((expires_at - created_at).total_seconds()),
    )


def expiry(member: Member, post: PostText) -> datetime:
    """When nobody wants to be told of it any more."""
    return member.created_at + timedelta(seconds=post.ttl_s)


def _short(title: str) -> str:
    if len(title) <= TITLE_CHARACTERS:
        return title
    return title[: boundary_before(title, TITLE_CHARACTERS)].rstrip() + ELLIPSIS
