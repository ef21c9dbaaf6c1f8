"""Everything there is, as the entries that storage.bulk takes, in constant memory."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from storage.bulk import DeviceEntry, SubscriptionEntry, UserEntry
from storage.models import Device, Keyword, Site, Subscription, SubscriptionExclusion, User
from storage.subscriptions import KeywordText

PAGE = 5_000


def users(session: Session) -> Iterator[UserEntry]:
    """All users, oldest first."""
    query = select(User.id, User.external_id, User.timezone, User.paused, User.preferences, User.snooze_until)
    for row in _pages(session, query, User.id):
        yield UserEntry(
            user=row.external_id,
            timezone=row.timezone,
            paused=row.paused,
            preferences=row.preferences or {},
            snooze_until=row.snooze_until,
        )


def devices(session: Session) -> Iterator[DeviceEntry]:
    """All enabled devices, oldest first. Disabled ones are dead, and importing one would enable it."""
    query = (
        select(Device.id, User.external_id, Device.platform, Device.token, Device.environment)
        .join(User, User.id == Device.user_id)
        .where(Device.disabled_at.is_(None))
    )
    for row in _pages(session, query, Device.id):
        yield DeviceEntry(user=row.external_id, platform=row.platform, token=row.token, environment=row.environment)


def subscriptions(session: Session) -> Iterator[SubscriptionEntry]:
    """All subscriptions, oldest first."""
    excluded = aliased(Keyword)
    query = (
        select(
            Subscription.id,
            User.external_id,
            Keyword.text,
            Keyword.kind,
            Site.name,
            Subscription.match_body,
            Subscription.title_only,
            Subscription.pace,
        )
        .join(User, User.id == Subscription.user_id)
        .outerjoin(Keyword, Keyword.id == Subscription.keyword_id)
        .outerjoin(Site, Site.id == Subscription.site_id)
    )
    exclusions = (
        select(SubscriptionExclusion.subscription_id, excluded.text, excluded.kind)
        .join(excluded, excluded.id == SubscriptionExclusion.keyword_id)
        .order_by(SubscriptionExclusion.subscription_id)
    )
    for page in _by_page(session, query, Subscription.id):
        rows = session.execute(exclusions.where(SubscriptionExclusion.subscription_id.between(page[0].id, page[-1].id)))
        without = {
            number: frozenset(KeywordText(text=row.text, kind=row.kind) for row in group)
            for number, group in groupby(rows, key=lambda row: row.subscription_id)
        }
        for row in page:
            yield SubscriptionEntry(
                user=row.external_id,
                keyword=KeywordText(text=row.text, kind=row.kind) if row.text is not None else None,
                site=row.name,
                exclude=without.get(row.id, frozenset()),
                match_body=row.match_body,
                title_only=row.title_only,
                pace=row.pace,
            )


def _pages(session: Session, query: Select[*tuple[Any, ...]], key: Any) -> Iterator[Any]:
    for page in _by_page(session, query, key):
        yield from page


def _by_page(session: Session, query: Select[*tuple[Any, ...]], key: Any) -> Iterator[Sequence[Any]]:
    """The rows of a query whose first column is `key`, page by page: each goes on where the last one ended."""
    last = 0
    while page := session.execute(query.where(key > last).order_by(key).limit(PAGE)).all():
        yield page
        last = page[-1][0]
