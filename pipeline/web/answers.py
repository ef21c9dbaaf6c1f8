"""From rows to answers: the one place where a row's columns get the names that they have over the wire. Pure."""

from typing import Any, TypeVar

from pydantic import BaseModel

from pipeline.basics.access import masked
from pipeline.basics.preferences import Preferences
from pipeline.crawling.health import health_of
from pipeline.delivery.asking import zone_of
from pipeline.delivery.telling import waits_until, words
from pipeline.fanout.phrases import alternatives
from pipeline.fanout.preview import Preview
from pipeline.people.wishes import in_force
from pipeline.web.schemas.basics import PostBrief
from pipeline.web.schemas.people import DeviceOut, ElsewhereOut, NotificationOut, SubscriptionOut, UserOut
from pipeline.web.schemas.phrases import FoundOut, NearOut, PreviewOut
from pipeline.web.schemas.sites import PostOut, RunOut, SiteOut
from storage.inbox import NotificationRow
from storage.models import CrawlRun, Device, Post, User
from storage.overview import SiteState
from storage.subscriptions import SubscriptionRow

T = TypeVar("T", bound=BaseModel)


def user_out(user: User, badge: int, defaults: Preferences) -> UserOut:
    """A person; `defaults` holds for those who say nothing about when and how often."""
    return _answer(UserOut, user, user=user.external_id, badge=badge, **vars(in_force(user.preferences, defaults)))


def device_out(device: Device) -> DeviceOut:
    """A phone, without its token."""
    return _answer(DeviceOut, device)


def subscription_out(row: SubscriptionRow) -> SubscriptionOut:
    """A subscription."""
    phrases = alternatives(row.phrase) if row.phrase is not None else []
    return _answer(SubscriptionOut, row, phrases=phrases, body=row.match_body)


def notification_out(row: NotificationRow) -> NotificationOut:
    """A notification."""
    return _answer(
        NotificationOut,
        row,
        post=_answer(PostBrief, row, id=row.post_id),
        says=words(row, zone_of(row.timezone)),
        waits_until=waits_until(row),
        also_on=[_answer(ElsewhereOut, each, post=each.post_id) for each in row.also_on],
    )


def preview_out(preview: Preview) -> PreviewOut:
    """What a phrase would have found."""
    return _answer(
        PreviewOut,
        preview,
        phrase=preview.phrase.text,
        kind=preview.phrase.kind,
        per_day=round(preview.per_day, 2),
        newest=[_answer(FoundOut, found.post, gone_at=None, through=found.through) for found in preview.newest],
        near=[NearOut(phrase=text, hits=hits) for text, hits in preview.near],
    )


def post_out(post: Post, site: str) -> PostOut:
    """A post."""
    return _answer(PostOut, post, site=site)


def run_out(run: CrawlRun) -> RunOut:
    """A crawl."""
    return _answer(RunOut, run, reason=run.finish_reason)


def site_out(state: SiteState) -> SiteOut:
    """A site and how it is."""
    site, last = state.site, state.last_run
    return _answer(
        SiteOut,
        site,
        url=masked(str(site.params.get("url") or "")) or None,
        health=health_of(site, held_posts=state.held_posts),
        last_crawl_at=last.finished_at if last else None,
        held_posts=state.held_posts,
    )


def _answer(kind: type[T], row: object, /, **named: Any) -> T:
    """An answer whose fields are the row's attributes of the same names, but for those that are given."""
    same = {name: getattr(row, name) for name in kind.model_fields if name not in named}
    return kind(**same, **named)
