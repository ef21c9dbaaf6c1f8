"""The pages of posts and people: what became of a post, what somebody was sent, and why not."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from pipeline.fanout.matcher import Matcher
from pipeline.fanout.slices import find_in
from pipeline.web.pages.call import Call, go_to, id_of
from pipeline.web.pages.why import Answer, Facts, Owed, why
from storage import inbox, matching, posts, sites, subscriptions, traces, users
from storage.matching import Hit
from storage.models import CrawlRun, Keyword, Notification, Post, Site, Subscription, SubscriptionExclusion, User

POSTS_SHOWN: Final = 50
ROWS_SHOWN: Final = 50


def posts_page(call: Call) -> Response:
    """The newest posts, of a site or with a word in the title."""
    site, part, before = (call.query.get(name, "").strip() for name in ("site", "q", "before"))
    with call.services.database.reading() as session:
        site_id = sites.by_name(session, site).id if site else None
        rows = posts.latest(session, site_id=site_id, limit=POSTS_SHOWN + 1, before=id_of(before), title=part or None)
    more = rows[POSTS_SHOWN - 1][0].id if len(rows) > POSTS_SHOWN else None
    return call.page("posts.html", rows=rows[:POSTS_SHOWN], site=site, part=part, more=more)


def post_page(call: Call) -> Response:
    """One post: who got it, by which phrase, and each vendor's answers."""
    number = id_of(call.path["post"])
    with call.services.database.reading() as session:
        if number is None:
            raise posts.UnknownPostError(0)
        post, site = posts.by_id(session, number)
        run = session.get(CrawlRun, post.run_id) if post.run_id else None
        trace = traces.trace(session, number)
        rows = inbox.listing(session, post_id=number, limit=ROWS_SHOWN)
    return call.page("post.html", post=post, site=site, run=run, trace=trace, rows=rows)


def find_person(call: Call) -> Response:
    """Ask for the app's id of a person."""
    wanted = call.query.get("user", "").strip()
    about = f"?post={quote(call.query['post'])}" if call.query.get("post") else ""
    return go_to(f"/people/{quote(wanted, safe='')}{about}") if wanted else call.page("people.html")


def person_page(call: Call) -> Response:
    """What somebody wants, their phones without tokens, what they were sent, and why not a post."""
    number = id_of(call.query.get("post", "").strip())
    with call.services.database.reading() as session:
        user = users.by_external_id(session, call.path["user"])
        answer, post = None, None
        if number is not None:
            post, _ = posts.by_id(session, number)
            answer = why(_facts(call, session, user, post))
        return call.page(
            "person.html",
            user=user,
            badge=inbox.unread(session, user.id),
            devices=[device for device, _ in users.devices(session, user_id=user.id, limit=ROWS_SHOWN)],
            subscriptions=subscriptions.listing(session, user_id=user.id, limit=200),
            rows=inbox.listing(session, user_id=user.id, limit=ROWS_SHOWN),
            asked=call.query.get("post", ""),
            post=post,
            answer=None if answer is None else _said(call, answer),
            has_it=answer is not None and answer.has_it,
        )


def _said(call: Call, answer: Answer) -> str:
    values = {name: call.when(v) if isinstance(v, datetime) else v for name, v in answer.values.items()}
    return call.say(answer.sentence, **values)


def _facts(call: Call, session: Session, user: User, post: Post) -> Facts:
    site = session.get_one(Site, post.site_id)
    matcher = Matcher(subscriptions.keywords_of(session, user.id), call.services.previews.synonyms())
    hit = find_in(matcher, post.title, post.body, site_id=post.site_id, match_body=site.match_body)
    matched = matching.matching_users(session, hit, after=user.id - 1, upto=user.id, limit=1)
    keyword_id = matched[0].keyword_id if matched else None
    return Facts(
        at=call.at,
        person=user.external_id,
        fanout=post.fanout,
        seen_at=post.first_seen_at,
        fanned_out_at=post.fanout_at,
        notification=_owed(session, user, post),
        is_paused=user.paused,
        joined_at=user.created_at,
        has_phone=any(each.disabled_at is None for each, _ in users.devices(session, user_id=user.id, limit=None)),
        subscriptions=len(subscriptions.listing(session, user_id=user.id, limit=None)),
        phrase=_phrase(session, keyword_id) if matched else None,
        subscribed_at=_subscribed_at(session, user, keyword_id) if matched else None,
        silenced={} if matched else _silenced(session, user, hit),
    )


def _owed(session: Session, user: User, post: Post) -> Owed | None:
    row = session.scalar(select(Notification).where(Notification.post_id == post.id, Notification.user_id == user.id))
    if row is None:
        return None
    (shown,) = inbox.listing(session, notification_id=row.id, limit=1)
    return Owed(
        status=row.status,
        reason=row.reason,
        next_attempt_at=row.next_attempt_at,
        sent_at=row.sent_at,
        devices=shown.devices,
    )


def _phrase(session: Session, keyword_id: int | None) -> str:
    return (session.scalar(select(Keyword.text).where(Keyword.id == keyword_id)) or "") if keyword_id else ""


def _subscribed_at(session: Session, user: User, keyword_id: int | None) -> datetime | None:
    wanted = select(Subscription.created_at).where(
        Subscription.user_id == user.id, Subscription.keyword_id.is_not_distinct_from(keyword_id)
    )
    return session.scalar(wanted.order_by(Subscription.created_at).limit(1))


def _silenced(session: Session, user: User, hit: Hit) -> Mapping[str, str]:
    """Phrases of a person that are in the post, each with one that silences it there."""
    found = [*hit.title_ids, *hit.all_ids]
    rows = session.execute(
        select(Subscription.keyword_id, SubscriptionExclusion.keyword_id)
        .join(SubscriptionExclusion, SubscriptionExclusion.subscription_id == Subscription.id)
        .where(Subscription.user_id == user.id, SubscriptionExclusion.keyword_id.in_(found))
        .where((Subscription.keyword_id.in_(found)) | (Subscription.keyword_id.is_(None)))
        .where((Subscription.site_id == hit.site_id) | (Subscription.site_id.is_(None)))
        .order_by(Subscription.id)
    ).all()
    return {_phrase(session, wanted): _phrase(session, excluded) for wanted, excluded in rows}
