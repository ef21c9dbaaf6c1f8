"""Which part of a long list is wanted: what came after or before a row or a moment, where a text stands; and names by
how they begin.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from storage import sites, users
from storage.models import CrawlRun, Device, Keyword, Notification, Post, Site, Subscription, User
from storage.types import Base

Bound = int | str | datetime
"""A row, by its number or (where the list shows none) by its name; or a moment."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a list; without anything, all of it."""

    after: Bound | None = None
    before: Bound | None = None
    # Where one of the row's names or titles holds this text, large or small.
    match: str | None = None
    limit: int | None = None


class _Listed(NamedTuple):
    # What the rows stand in the order of.
    key: Any
    at: Any
    # For each place where a text is looked for: whether it is there.
    places: Sequence[Callable[[str], ColumnElement[bool]]]
    # The key of the row of a name.
    named: Callable[[Session, str], Any] | None = None


def _in(column: Any) -> Callable[[str], ColumnElement[bool]]:
    return lambda text: column.icontains(text, autoescape=True)


def _of(reference: Any, column: Any) -> Callable[[str], ColumnElement[bool]]:
    """A column of the row that is referred to: in a query of its own, so that one may count without joining."""
    return lambda text: reference.in_(select(column.class_.id).where(column.icontains(text, autoescape=True)))


_LISTED: dict[type[Base], _Listed] = {
    Post: _Listed(Post.id, Post.first_seen_at, (_in(Post.title), _of(Post.site_id, Site.name))),
    Notification: _Listed(
        Notification.id,
        Notification.created_at,
        (
            _of(Notification.post_id, Post.title),
            _of(Notification.user_id, User.external_id),
            _of(Notification.keyword_id, Keyword.text),
        ),
    ),
    User: _Listed(
        User.id,
        User.created_at,
        (_in(User.external_id), _in(User.timezone)),
        lambda session, name: users.by_external_id(session, name).id,
    ),
    Device: _Listed(Device.id, Device.created_at, (_of(Device.user_id, User.external_id), _in(Device.platform))),
    Subscription: _Listed(
        Subscription.id,
        Subscription.created_at,
        (
            _of(Subscription.keyword_id, Keyword.text),
            _of(Subscription.user_id, User.external_id),
            _of(Subscription.site_id, Site.name),
        ),
    ),
    Site: _Listed(
        Site.name,
        Site.created_at,
        (_in(Site.name), _in(Site.params["url"].as_string())),
        lambda session, name: sites.by_name(session, name).name,
    ),
    CrawlRun: _Listed(
        CrawlRun.id,
        CrawlRun.created_at,
        (_of(CrawlRun.site_id, Site.name), _in(CrawlRun.first_error), _in(CrawlRun.page_problem)),
    ),
}


def conditions(session: Session, table: type[Base], part: Part) -> list[ColumnElement[bool]]:
    """What the rows of a part have, on the columns of their own table.

    Raises UnknownUserError or UnknownSiteError for the name of a row that is not there.
    """
    listed = _LISTED[table]

    def of(bound: Bound) -> tuple[Any, Any]:
        if isinstance(bound, datetime):
            return listed.at, bound
        return listed.key, listed.named(session, bound) if listed.named and isinstance(bound, str) else bound

    found: list[ColumnElement[bool]] = []
    if part.after is not None:
        column, value = of(part.after)
        found.append(column > value)
    if part.before is not None:
        column, value = of(part.before)
        found.append(column < value)
    if part.match:
        found.append(or_(*(holds(part.match) for holds in listed.places)))
    return found


_COLUMNS = {"site": Site.name, "user": User.external_id}


def names_beginning(session: Session, kind: str, beginning: str, *, limit: int) -> Sequence[str]:
    """At most so many names of a kind, "site" or "user", that begin with these letters, in their order."""
    column = _COLUMNS[kind]
    query = select(column).where(column.startswith(beginning, autoescape=True)).order_by(column).limit(limit)
    return session.scalars(query).all()
