"""What a push says: from a post and the phrase that hit to the message for one device. Pure."""

from pipeline.push.message import Message, Platform, clean_text, tag_for_post
from storage.claims import Claimed, PostText, Target


def compose(post: PostText, notification: Claimed, target: Target) -> Message:
    """The message about a post for one device of the notification's user."""
    return Message(
        delivery_id=f"{notification.id}-{target.device_id}",
        platform=Platform(target.platform),
        token=target.token,
        environment=target.environment,
        tag=tag_for_post(post.id),
        title=clean_text(post.title),
        body=clean_text(_body(post, notification.phrase)),
        url=post.url,
        data={"post_id": str(post.id), "site": post.site, "url": post.url},
        badge=notification.badge,
        thread_id=post.site,
        created_at=notification.created_at,
        ttl_s=post.ttl_s,
    )


def _body(post: PostText, phrase: str | None) -> str:
    # One push however many phrases hit: it names the one that stands first in the post.
    reason = f"{post.site} · {phrase}" if phrase else post.site
    return f"{reason} — {post.body}" if post.body else reason
