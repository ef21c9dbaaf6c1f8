"""What a sender needs to know of the notifications that it claimed: the texts of their posts, and whose devices."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, and_, bindparam, case, func, or_, select, true
from sqlalchemy.orm import Session, aliased

from storage.dialect import connection_of, is_sqlite, row_by_row
from storage.json_table import as_values, is_among, values_of
from storage.models import Delivery, Device, Notification, Post, Site


@dataclass(frozen=True, kw_only=True)
class PostText:
    """What a message says of a post."""

    id: int
    site: str
    url: str
    title: str
    body: str
    author: str
    ttl_s: int
    first_seen_at: datetime
    # The site's own address, for messages that have no room for the post's.
    site_url: str | None = None
    # The https address of the post's own picture.
    image: str | None = None
    # What the site changes about its messages (pipeline.delivery.template).
    push: Mapping[str, Any] = field(default_factory=dict)
    # An operator paused the pushes of its site.
    held: bool = False
    urgent: bool = False
    # It was taken off its page: nobody is told of it any more.
    is_gone: bool = False
    # Which of its texts this is.
    version: int = 0


# Not frozen, as one is made for each message: to set the fields of frozen ones takes three times as long.
@dataclass(kw_only=True)
class Target:
    """A device that a claimed notification has still to reach."""

    notification_id: int
    device_id: int
    platform: str
    token: str = field(repr=False)
    environment: str | None
    last_seen_at: datetime
    # Earlier attempts on this device.
    attempts: int
    # Nothing may be sent to it before: the vendor asked for it, for this message or for the device.
    not_before: datetime | None = None
    # For what reason the vendor refuses it, and since when it does.
    refused_code: str | None = None
    refused_since: datetime | None = None
    # APNs only: the app's bundle id, where it is not the channel's topic.
    app: str | None = None
    # What its owner reads, a BCP 47 tag such as ko-KR.
    locale: str | None = None
    # The version of the post that it shows and that is to be replaced; None where it shows nothing of it yet.
    shows: int | None = None


_TEXTS = (
    select(
        Post.id,
        Site.name,
        Post.url,
        Post.title,
        Post.body,
        Post.author,
        Post.image,
        Site.ttl_s,
        Post.first_seen_at,
        Site.push,
        Site.push_paused_at,
        Site.params,
        Site.urgent,
        Post.gone_at,
        Post.version,
    )
    .join(Site, Site.id == Post.site_id)
    .where(Post.id.in_(bindparam("posts", expanding=True)))
)


def post_texts(session: Session, post_ids: Collection[int]) -> dict[int, PostText]:
    """What messages about the given posts say, by post id."""
    rows = connection_of(session).execute(_TEXTS, {"posts": list(post_ids)})
    return {
        post_id: PostText(
            id=post_id,
            site=site,
            url=url,
            title=title,
            body=body,
            author=author,
            image=image,
            # Nobody wants to see it any more.
            ttl_s=ttl_s if gone_at is None else 0,
            is_gone=gone_at is not None,
            first_seen_at=first_seen_at,
            push=push,
            held=paused_at is not None,
            site_url=_address(params.get("url")),
            urgent=urgent,
            version=version,
        )
        for (
            post_id,
            site,
            url,
            title,
            body,
            author,
            image,
            ttl_s,
            first_seen_at,
            push,
            paused_at,
            params,
            urgent,
            gone_at,
            version,
        ) in rows
    }


def _address(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


@lru_cache
def _targets(*, sqlite: bool) -> Any:
    is_sent = Notification.status == "sent"
    theirs = Device.user_id == Notification.user_id
    device: Any = Device
    if not sqlite:
        device = aliased(Device, row_by_row(select(Device).where(theirs).correlate(Notification), "devices"))
    of_both = and_(Delivery.notification_id == Notification.id, Delivery.device_id == device.id)
    delivery: Any = Delivery
    if not sqlite:
        pair = select(Delivery).where(of_both).correlate(Notification, device)
        delivery = aliased(Delivery, row_by_row(pair, "deliveries"))
    shows = func.coalesce(delivery.version, 0)
    return (
        select(
            Notification.id,
            device.id,
            device.platform,
            device.token,
            device.environment,
            device.app,
            device.locale,
            device.last_seen_at,
            # Those of the first text are over.
            case((and_(is_sent, delivery.next_attempt_at.is_(None)), 0), else_=func.coalesce(delivery.attempts, 0)),
            delivery.next_attempt_at,
            device.busy_until,
            device.refused_code,
            device.refused_since,
            case((is_sent, shows)),
        )
        .select_from(Notification)
        .join(device, theirs if sqlite else true())
        .outerjoin(delivery, of_both if sqlite else true())
        .where(
            is_among(Notification.id, values_of("claimed", BigInteger(), sqlite=sqlite), sqlite=sqlite),
            device.disabled_at.is_(None),
            case(
                (is_sent, and_(delivery.status == "delivered", shows < Notification.to_show)),
                else_=or_(delivery.id.is_(None), delivery.status == "retry"),
            ),
        )
        .order_by(Notification.id, device.id)
    )


def targets(session: Session, notification_ids: Collection[int]) -> list[Target]:
    """The enabled devices of the claimed notifications' users, without those that are done already.

    Of those that are to replace what is shown: the devices that show an older text.
    """
    statement = _targets(sqlite=is_sqlite(session))
    rows = connection_of(session).execute(statement, {"claimed": as_values(notification_ids)}).all()
    return [
        Target(
            notification_id=notification_id,
            device_id=device_id,
            platform=platform,
            token=token,
            environment=environment,
            app=app,
            locale=locale,
            last_seen_at=last_seen_at,
            attempts=attempts,
            not_before=max(filter(None, (retry_at, busy_until)), default=None),
            refused_code=refused_code,
            refused_since=refused_since,
            shows=shown,
        )
        for (
            notification_id,
            device_id,
            platform,
            token,
            environment,
            app,
            locale,
            last_seen_at,
            attempts,
            retry_at,
            busy_until,
            refused_code,
            refused_since,
            shown,
        ) in rows
    ]
