"""From rows to answers: the one place where a row's columns get the names that they have over the wire. Pure."""

from pipeline.basics.preferences import Preferences
from pipeline.delivery.asking import zone_of
from pipeline.delivery.telling import waits_until, words
from pipeline.fanout.phrases import alternatives
from pipeline.fanout.preview import Preview
from pipeline.people.wishes import in_force
from pipeline.web.schemas.basics import PostBrief
from pipeline.web.schemas.people import DeviceOut, ElsewhereOut, NotificationOut, SubscriptionOut, UserOut
from pipeline.web.schemas.phrases import FoundOut, NearOut, PreviewOut
from pipeline.web.schemas.sites import PostOut, RunOut
from storage.inbox import NotificationRow
from storage.models import CrawlRun, Device, Post, User
from storage.subscriptions import SubscriptionRow


def user_out(user: User, badge: int, defaults: Preferences) -> UserOut:
    """A person; `defaults` holds for those who say nothing about when and how often."""
    return UserOut(
        user=user.external_id,
        timezone=user.timezone,
        paused=user.paused,
        created_at=user.created_at,
        badge=badge,
        snooze_until=user.snooze_until,
        **vars(in_force(user.preferences, defaults)),
    )


def device_out(device: Device) -> DeviceOut:
    """A phone, without its token."""
    return DeviceOut(
        id=device.id,
        installation=device.installation,
        platform=device.platform,
        environment=device.environment,
        app=device.app,
        locale=device.locale,
        created_at=device.created_at,
        last_seen_at=device.last_seen_at,
        disabled_at=device.disabled_at,
        disabled_reason=device.disabled_reason,
    )


def subscription_out(row: SubscriptionRow) -> SubscriptionOut:
    """A subscription."""
    return SubscriptionOut(
        id=row.id,
        phrase=row.phrase,
        phrases=alternatives(row.phrase) if row.phrase is not None else [],
        kind=row.kind,
        site=row.site,
        exclude=list(row.exclude),
        body=row.match_body,
        title_only=row.title_only,
        pace=row.pace,
    )


def notification_out(row: NotificationRow) -> NotificationOut:
    """A notification."""
    return NotificationOut(
        id=row.id,
        post=PostBrief(id=row.post_id, site=row.site, title=row.title, url=row.url, gone_at=row.gone_at),
        phrase=row.phrase,
        status=row.status,
        reason=row.reason,
        says=words(row, zone_of(row.timezone)),
        waits_until=waits_until(row),
        created_at=row.created_at,
        sent_at=row.sent_at,
        read_at=row.read_at,
        opened_at=row.opened_at,
        dismissed_at=row.dismissed_at,
        also_on=[ElsewhereOut(post=each.post_id, site=each.site, url=each.url) for each in row.also_on],
    )


def preview_out(preview: Preview) -> PreviewOut:
    """What a phrase would have found."""
    return PreviewOut(
        phrase=preview.phrase.text,
        kind=preview.phrase.kind,
        sentence=preview.sentence,
        posts=preview.posts,
        days=preview.days,
        hits=preview.hits,
        per_day=round(preview.per_day, 2),
        newest=[
            FoundOut(
                id=found.post.id,
                site=found.post.site,
                title=found.post.title,
                url=found.post.url,
                first_seen_at=found.post.first_seen_at,
                through=list(found.through),
            )
            for found in preview.newest
        ],
        sites=preview.sites,
        near=[NearOut(phrase=text, hits=hits) for text, hits in preview.near],
    )


def post_out(post: Post, site: str) -> PostOut:
    """A post."""
    return PostOut(
        id=post.id,
        site=site,
        title=post.title,
        url=post.url,
        gone_at=post.gone_at,
        author=post.author,
        published_at=post.published_at,
        first_seen_at=post.first_seen_at,
    )


def run_out(run: CrawlRun) -> RunOut:
    """A crawl."""
    return RunOut(
        id=run.id,
        trigger=run.trigger,
        status=run.status,
        reason=run.finish_reason,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        pages=run.pages,
        items_seen=run.items_seen,
        new_posts=run.new_posts,
        errors=run.errors,
        first_error=run.first_error,
    )
