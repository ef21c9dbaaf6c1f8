"""What was lately posted, and lately subscribed to: what a phrase is tried on. Each reads a bounded number of rows."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, literal, or_, select
from sqlalchemy.orm import Session

from storage.installations import ANONYMOUS
from storage.models import Keyword, Post, Site, Subscription, User
from storage.subscriptions import KeywordText

BODY_CHARACTERS = 2_000
"""Of a body; what stands later is not looked at."""


@dataclass(frozen=True, kw_only=True)
class RecentPost:
    """A post as it is looked through."""

    id: int
    site: str
    title: str
    url: str
    first_seen_at: datetime
    # Whether people were told of it: not of what was there when its site was new.
    is_news: bool
    # Empty where no phrase is looked for in bodies, unless they were asked for.
    body: str
    match_body: bool


def posts(session: Session, *, site_id: int | None, since: datetime, limit: int, bodies: bool) -> list[RecentPost]:
    """Those first seen since a moment, of the newest `limit`; newest first. `bodies`: of all sites."""
    wanted = or_(Site.match_body, literal(bodies))
    query = (
        select(
            Post.id,
            Site.name.label("site"),
            Post.title,
            Post.url,
            Post.first_seen_at,
            Post.fanout.in_(("ready", "done")).label("is_news"),
            case((wanted, func.substr(Post.body, 1, BODY_CHARACTERS)), else_="").label("body"),
            Site.match_body,
        )
        .join(Site)
        .order_by(Post.id.desc())
        .limit(limit)
    )
    if site_id is not None:
        query = query.where(Post.site_id == site_id)
    return [RecentPost(**row) for row in session.execute(query).mappings() if row["first_seen_at"] >= since]


def popular(session: Session, *, since: datetime, newest: int, least: int) -> list[tuple[KeywordText, int]]:
    """The phrases that at least `least` different people subscribed to since a moment, the most wanted first.

    The newest so many subscriptions are looked at. Users without a login are not counted: one person can be many.
    """
    rows = session.execute(
        select(Subscription.keyword_id, Subscription.user_id, Subscription.created_at, User.external_id)
        .join(User)
        .order_by(Subscription.id.desc())
        .limit(newest)
    )
    people: dict[int, set[int]] = defaultdict(set)
    for keyword_id, user_id, created_at, name in rows:
        if keyword_id is not None and created_at >= since and not name.startswith(ANONYMOUS):
            people[keyword_id].add(user_id)
    counts = Counter({keyword_id: len(users) for keyword_id, users in people.items() if len(users) >= least})
    texts = {
        row.id: KeywordText(text=row.text, kind=row.kind)
        for row in session.execute(select(Keyword.id, Keyword.text, Keyword.kind).where(Keyword.id.in_(counts)))
    }
    return [(texts[key], count) for key, count in counts.most_common() if key in texts]
