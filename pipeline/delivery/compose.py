"""What a push says: from a post and the phrase that hit to the message for one device. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline.delivery.excerpt import excerpt
from pipeline.delivery.template import PushTemplate, TemplateError, fill, fill_link
from pipeline.fanout.matcher import Matcher
from pipeline.fanout.phrases import OR, alternatives, has_spaced_script
from pipeline.push.message import MAX_PAYLOAD_BYTES, Message, Platform, clean_text, tag_for_post
from storage.claims import Claimed
from storage.outgoing import PostText, Target

Drafts = dict[tuple[int, str | None, bool], "Draft"]
"""By post, phrase, and whether they replace what is shown: a post goes to many, and its texts are made once."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A message without what is one phone's own."""

    # What Message() takes.
    shared: Mapping[str, Any]
    data: Mapping[str, str]
    shows_badge: bool


def compose(post: PostText, notification: Claimed, target: Target, drafts: Drafts | None = None) -> Message:
    """The message about a post for one device of the notification's user.

    One message however many phrases hit: it names the one that stands first in the post. drafts: those made so far.
    """
    replaces = notification.to_show is not None
    key = (post.id, notification.phrase, replaces)
    draft = None if drafts is None else drafts.get(key)
    if draft is None:
        draft = _draft(post, notification.phrase, replaces=replaces)
        if drafts is not None:
            drafts[key] = draft
    return Message(
        **draft.shared,
        **address(notification, target),
        # With it the app tells that the notification was opened (POST .../notifications/{id}/events).
        data={**draft.data, "notification_id": str(notification.id)},
        badge=notification.badge if draft.shows_badge else None,
        created_at=notification.created_at,
    )


def address(notification: Claimed, target: Target) -> dict[str, Any]:
    """Of what Message() takes, what leads a message to one phone."""
    return {
        "delivery_id": f"{notification.id}-{target.device_id}",
        "platform": Platform(target.platform),
        "token": target.token,
        "environment": target.environment,
        "app": target.app,
    }


def _draft(post: PostText, phrase: str | None, *, replaces: bool) -> Draft:
    template = template_of(post.push)
    title, body = _clean(post.title), _clean(post.body)
    phrase = _shown(_clean(phrase or ""), title, body)
    values = {
        "title": title,
        # More fits into no payload, and would be encoded again and again to find that out.
        "body": body[:MAX_PAYLOAD_BYTES],
        "excerpt": excerpt(body, phrase),
        "phrase": phrase,
        "site": post.site,
        "author": _clean(post.author),
        "url": post.url,
        "post_id": str(post.id),
    }
    link = fill_link(template.link, values)
    return Draft(
        shared={
            "tag": tag_for_post(post.id),
            # A post without a title is still to be seen.
            "title": fill(template.title, values) or post.site,
            "body": fill(template.body, values),
            "url": link,
            "fallback_url": post.site_url,
            # What takes the place of what is shown has no sound, no number, and no light.
            "sound": None if replaces else template.sound or None,
            "channel_id": (replaces and template.quiet_channel_id) or template.channel_id or None,
            "thread_id": fill(template.thread_id, values) or None,
            "image": post.image or template.image or None,
            "ttl_s": post.ttl_s,
            "interruption": "passive" if replaces else "time-sensitive" if post.urgent else None,
            "category": "urgent" if post.urgent else "post",
        },
        data={
            **{name: fill(text, values) for name, text in template.data.items()},
            "post_id": str(post.id),
            "site": post.site,
            "url": post.url,
            **({"link": link} if link != post.url else {}),
            **({"replaces": "true"} if replaces else {}),
        },
        shows_badge=template.badge and not replaces,
    )


def _shown(phrase: str, title: str, body: str) -> str:
    """The phrase; of any of several the one that stands first: a list would leave no room for the post."""
    return _first_of(phrase, title, body) if OR in phrase else phrase


@lru_cache(maxsize=1024)
def _first_of(phrase: str, title: str, body: str) -> str:
    texts = alternatives(phrase)
    rows = [(at, text, "word" if has_spaced_script([text]) else "substring") for at, text in enumerate(texts)]
    hits = Matcher(rows).find(title, body).all_ids
    # Found by a synonym alone: any is as good.
    return texts[hits[0] if hits else 0]


def template_of(column: Mapping[str, Any]) -> PushTemplate:
    """The template in a site's column, checked once however many messages it makes."""
    return _template(json.dumps(column, sort_keys=True)) if column else _USUAL


_USUAL = PushTemplate()


@lru_cache(maxsize=1024)
def _template(text: str) -> PushTemplate:
    try:
        return PushTemplate.from_json(json.loads(text))
    except TemplateError:
        # It was checked when it was set, so another version wrote it. The usual form is better than no push.
        return _USUAL


# One post goes to many people: its texts are cleaned once.
_clean = lru_cache(maxsize=1024)(clean_text)
