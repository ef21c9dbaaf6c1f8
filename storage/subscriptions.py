"""Keywords and subscriptions: who wants to hear of what, and who that makes for a post."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    String,
    and_,
    delete,
    exists,
    func,
    select,
)
from sqlalchemy import insert as insert_rows
from sqlalchemy.orm import Session

from storage.dialect import insert
from storage.errors import StorageError
from storage.json_table import given, given_values, insert_from
from storage.models import Keyword, Notification, Post, Site, Subscription, SubscriptionExclusion, User


class SubscriptionError(StorageError, ValueError):
    """A subscription that cannot be, with the reason and the way out."""


class UnknownSubscriptionError(StorageError, LookupError):
    """There is no such subscription, or it is somebody else's."""


@dataclass(frozen=True, kw_only=True)
class KeywordText:
    """A phrase in the matcher's canonical form, as pipeline.fanout.matcher.parse_phrase gives it."""

    text: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class KeywordsVersion:
    """Changes whenever a keyword was added or removed."""

    count: int
    last_id: int
    # Also tells when one went, and another came late with a lower id.
    sum_of_ids: int


AS_INSTALLATION = "default"
"""In place of a wish: none of one's own, so that what holds for all holds."""


def said_pace(pace: str | None) -> str | None:
    """The column of a pace that was given."""
    return None if pace == AS_INSTALLATION else pace


def keyword_ids(session: Session, phrases: Iterable[KeywordText]) -> dict[KeywordText, int]:
    """The ids of the given phrases; those that nobody had yet are inserted.

    They are locked until the transaction ends, against retention, which removes what nobody uses.
    """
    missing = list(set(phrases))
    found = _locked_keywords(session, missing)
    # One that somebody else inserts or removes at this moment needs another round.
    while missing := [phrase for phrase in missing if phrase not in found]:
        rows = [{"text": phrase.text, "kind": phrase.kind} for phrase in missing]
        new = given(session, "new", rows, {"text": String(), "kind": String()})
        statement = insert_from(session, Keyword, new, order_by=("text", "kind"))
        session.execute(statement.on_conflict_do_nothing(index_elements=[Keyword.text, Keyword.kind]))
        found |= _locked_keywords(session, missing)
    return found


def _locked_keywords(session: Session, phrases: Sequence[KeywordText]) -> dict[KeywordText, int]:
    if not phrases:
        return {}
    rows = session.execute(
        select(Keyword.text, Keyword.kind, Keyword.id)
        .where(Keyword.text.in_(given_values(session, "texts", {phrase.text for phrase in phrases}, String())))
        .order_by(Keyword.id)
        .with_for_update(read=True, key_share=True)
    )
    found = {KeywordText(text=text, kind=kind): keyword_id for text, kind, keyword_id in rows}
    return {phrase: found[phrase] for phrase in phrases if phrase in found}


def keywords_version(session: Session) -> KeywordsVersion:
    """The version of the set of keywords, for a matcher that is held in memory."""
    count, last_id, total = session.execute(select(func.count(), func.max(Keyword.id), func.sum(Keyword.id))).one()
    return KeywordsVersion(count=count, last_id=last_id or 0, sum_of_ids=int(total or 0))


def keywords(session: Session, *, after: int = 0, limit: int | None = None) -> list[tuple[int, str, str]]:
    """Keywords as (id, text, kind), in the order of their ids, those above `after`."""
    query = select(Keyword.id, Keyword.text, Keyword.kind).where(Keyword.id > after).order_by(Keyword.id).limit(limit)
    return list(session.execute(query))


def keywords_of(session: Session, user_id: int) -> list[tuple[int, str, str]]:
    """A user's keywords, those that exclude among them, as (id, text, kind)."""
    wanted = select(Subscription.keyword_id).where(Subscription.user_id == user_id)
    excluded = select(SubscriptionExclusion.keyword_id).join(Subscription).where(Subscription.user_id == user_id)
    query = select(Keyword.id, Keyword.text, Keyword.kind).where(Keyword.id.in_(wanted.union(excluded)))
    return list(session.execute(query.order_by(Keyword.id)))


def add(
    session: Session,
    user_id: int,
    *,
    keyword: KeywordText | None,
    site_id: int | None,
    exclude: Sequence[KeywordText] = (),
    match_body: bool = False,
    title_only: bool = False,
    pace: str | None = None,
    limit: int,
    now: datetime,
) -> tuple[Subscription, bool]:
    """Subscribe a user, and return the subscription and whether it is new.

    Subscribing again to the same phrase and site replaces the excluded phrases. pace: one of PACES, or
    AS_INSTALLATION; None leaves it as it is. Raises SubscriptionError when there is neither a phrase nor a site, or
    when the user would pass `limit` subscriptions.
    """
    if keyword is None and site_id is None:
        raise SubscriptionError(
            "a subscription without a phrase means every post of a site: name the site with --site, or give a phrase"
        )
    check_places(match_body=match_body, title_only=title_only)
    ids = keyword_ids(session, [*([keyword] if keyword else []), *exclude])
    keyword_id = ids[keyword] if keyword else None
    inserted = session.scalar(
        insert(session, Subscription)
        .values(user_id=user_id, keyword_id=keyword_id, site_id=site_id, created_at=now)
        .on_conflict_do_nothing()
        .returning(Subscription.id)
    )
    subscription = session.scalars(
        select(Subscription).where(
            Subscription.user_id == user_id,
            Subscription.keyword_id == keyword_id if keyword_id else Subscription.keyword_id.is_(None),
            Subscription.site_id == site_id if site_id else Subscription.site_id.is_(None),
        )
    ).one()
    if inserted is not None and _count(session, user_id) > limit:
        raise SubscriptionError(
            f"the user has {limit} subscriptions, which is the limit: remove one, or raise SUBSCRIPTIONS_PER_USER"
        )
    subscription.match_body, subscription.title_only = match_body, title_only
    if pace is not None:
        subscription.pace = said_pace(pace)
    _set_exclusions(session, subscription.id, ids, exclude)
    session.flush()
    return subscription, inserted is not None


def check_places(*, match_body: bool, title_only: bool) -> None:
    """Raise SubscriptionError for a subscription that would look in the body too, and in the title alone."""
    if match_body and title_only:
        raise SubscriptionError("a subscription looks in the body too, or in the title only: choose one of the two")


def some_are_bound(session: Session) -> bool:
    """Whether anybody has subscribed to one site alone."""
    return bool(session.scalar(select(exists().where(Subscription.site_id.is_not(None)))))


def _count(session: Session, user_id: int) -> int:
    return session.scalar(select(func.count()).select_from(Subscription).where(Subscription.user_id == user_id)) or 0


def remove(session: Session, subscription_id: int) -> None:
    """Delete a subscription. Raises SubscriptionError when there is none of that id."""
    gone = session.scalar(delete(Subscription).where(Subscription.id == subscription_id).returning(Subscription.id))
    if gone is None:
        raise UnknownSubscriptionError(
            f"there is no subscription {subscription_id}: `crawlpush subscriptions list` shows the ids"
        )


def end_phrase(session: Session, user_id: int, notification: Notification) -> None:
    """End a user's subscriptions to the phrase that brought a notification, whatever their site.

    Of a notification without a phrase it is the one to every post of the site. What was owed stays owed.
    """
    of_site = select(Post.site_id).where(Post.id == notification.post_id).scalar_subquery()
    same = (
        and_(Subscription.keyword_id.is_(None), Subscription.site_id == of_site)
        if notification.keyword_id is None
        else Subscription.keyword_id == notification.keyword_id
    )
    session.execute(
        delete(Subscription).where(Subscription.user_id == user_id, same),
        execution_options={"synchronize_session": False},
    )


def owned(session: Session, user_id: int, subscription_id: int) -> Subscription:
    """A subscription of a user. Raises SubscriptionError when they have none of that id."""
    found = session.scalar(
        select(Subscription).where(Subscription.id == subscription_id, Subscription.user_id == user_id)
    )
    if found is None:
        raise UnknownSubscriptionError(f"there is no subscription {subscription_id} of this user")
    return found


def change(
    session: Session,
    subscription: Subscription,
    *,
    exclude: Sequence[KeywordText] | None = None,
    match_body: bool | None = None,
    title_only: bool | None = None,
    pace: str | None = None,
) -> None:
    """Replace a subscription's excluded phrases, or say where it looks, or how often it may push. None: as it is.

    Of the pace, AS_INSTALLATION takes it away.
    """
    subscription.match_body = subscription.match_body if match_body is None else match_body
    subscription.title_only = subscription.title_only if title_only is None else title_only
    check_places(match_body=subscription.match_body, title_only=subscription.title_only)
    if pace is not None:
        subscription.pace = said_pace(pace)
    if exclude is not None:
        _set_exclusions(session, subscription.id, keyword_ids(session, exclude), exclude)
    session.flush()


def _set_exclusions(
    session: Session, subscription_id: int, ids: Mapping[KeywordText, int], exclude: Sequence[KeywordText]
) -> None:
    session.execute(delete(SubscriptionExclusion).where(SubscriptionExclusion.subscription_id == subscription_id))
    if exclude:
        session.execute(
            insert_rows(SubscriptionExclusion),
            [
                {"subscription_id": subscription_id, "keyword_id": ids[phrase]}
                for phrase in sorted(set(exclude), key=lambda p: p.text)
            ],
        )


@dataclass(frozen=True, kw_only=True)
class SubscriptionRow:
    """A subscription with the words instead of the ids."""

    id: int
    user: str
    phrase: str | None
    kind: str | None
    site: str | None
    exclude: tuple[str, ...]
    match_body: bool
    title_only: bool
    pace: str | None

    def describe(self) -> str:
        """The subscription in a few words."""
        what = self.phrase or "every post"
        where = f" on {self.site}" if self.site else ""
        without = f" without {', '.join(self.exclude)}" if self.exclude else ""
        place = ", title only" if self.title_only else ""
        pace = f", {self.pace}" if self.pace else ""
        return f"{what}{where}{without}{place}{pace}"


def listing(
    session: Session,
    *which: ColumnElement[bool],
    user_id: int | None,
    subscription_id: int | None = None,
    limit: int | None,
) -> list[SubscriptionRow]:
    """Subscriptions that meet the conditions, oldest first."""
    query = (
        select(Subscription, User.external_id, Keyword.text, Keyword.kind, Site.name)
        .join(User, User.id == Subscription.user_id)
        .outerjoin(Keyword, Keyword.id == Subscription.keyword_id)
        .outerjoin(Site, Site.id == Subscription.site_id)
        .where(*which)
        .order_by(Subscription.id)
        .limit(limit)
    )
    if user_id is not None:
        query = query.where(Subscription.user_id == user_id)
    if subscription_id is not None:
        query = query.where(Subscription.id == subscription_id)
    rows = session.execute(query).all()
    excluded: dict[int, list[str]] = {}
    for subscription_id, phrase in session.execute(
        select(SubscriptionExclusion.subscription_id, Keyword.text)
        .join(Keyword, Keyword.id == SubscriptionExclusion.keyword_id)
        .where(SubscriptionExclusion.subscription_id.in_([row[0].id for row in rows]))
        .order_by(Keyword.text)
    ):
        excluded.setdefault(subscription_id, []).append(phrase)
    return [
        SubscriptionRow(
            id=subscription.id,
            user=user,
            phrase=text,
            kind=kind,
            site=site,
            exclude=tuple(excluded.get(subscription.id, ())),
            match_body=subscription.match_body,
            title_only=subscription.title_only,
            pace=subscription.pace,
        )
        for subscription, user, text, kind, site in rows
    ]


def phrases(session: Session, keyword_ids: Sequence[int]) -> list[KeywordText]:
    """The phrases of the given keywords, in the order given."""
    rows = session.execute(select(Keyword.id, Keyword.text, Keyword.kind).where(Keyword.id.in_(keyword_ids)))
    found = {row.id: KeywordText(text=row.text, kind=row.kind) for row in rows}
    return [found[keyword_id] for keyword_id in dict.fromkeys(keyword_ids)]
