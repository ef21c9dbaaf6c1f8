"""`crawlpush sites push`: what a site's messages look like."""

from typing import Any

import click

from pipeline.delivery.compose import template_of
from pipeline.delivery.template import TEXT_PLACEHOLDERS, PushTemplate, TemplateError, fill, fill_link
from scripts.output import json_option, open_database, show_record
from storage import sites as stored

_EXAMPLE = {
    "title": "장학금 신청 안내",
    "body": "신청 기간은 금요일까지입니다.",
    "excerpt": "신청 기간은 금요일까지입니다.",
    "phrase": "장학",
    "author": "학생지원팀",
    "url": "https://board.example/posts/7",
    "post_id": "7",
}


@click.command("push")
@click.argument("name")
@click.option("--title-template", "title", help='Default: "{title}".')
@click.option("--body-template", "body", help='Default: "{phrase} · {site} — {excerpt}".')
@click.option("--link", help='Where a tap leads, such as "myapp://posts/{post_id}"; default: "{url}".')
@click.option("--thread-id", help='What iOS groups by; default: "{site}".')
@click.option("--sound", help='The name of a sound in the app; "" for silence; default: "default".')
@click.option("--channel-id", help="The Android notification channel.")
@click.option("--quiet-channel-id", help="The Android channel of a text that replaces one that is shown.")
@click.option("--image", help="The https address of a picture.")
@click.option("--badge/--no-badge", default=None, help="Show the number of unread notifications on the app's icon.")
@click.option("--data", "pairs", multiple=True, metavar="NAME=TEMPLATE", help="A further value for the app.")
@click.option("--reset", is_flag=True, help="Begin with the usual message.")
@json_option
def push(name: str, *, pairs: tuple[str, ...], reset: bool, as_json: bool, **options: Any) -> None:
    """Change what the messages of a site look like, or show it.

    The placeholders are {title}, {body}, {excerpt} (the body around the phrase), {phrase}, {site}, {author}, {url} and
    {post_id}. What stands between two placeholders is left out when one of them is empty.
    """
    changes = {key: value for key, value in options.items() if value is not None}
    with open_database().writing() as session:
        site = stored.by_name(session, name)
        column = {} if reset else dict(site.push)
        if pairs:
            changes["data"] = {**column.get("data", {}), **dict(_pair(pair) for pair in pairs)}
        template = PushTemplate.from_json({**column, **changes}) if changes or reset else template_of(column)
        if changes or reset:
            site.push = template.to_json()
    show_record(_shown(name, template), as_json=as_json)


def _pair(text: str) -> tuple[str, str]:
    name, separator, template = text.partition("=")
    if not separator or not name:
        raise TemplateError(f"--data {text!r}: write NAME=TEMPLATE")
    return name, template


def _shown(name: str, template: PushTemplate) -> dict[str, Any]:
    values = {**_EXAMPLE, "site": name}
    assert values.keys() == set(TEXT_PLACEHOLDERS)
    return {
        "title_template": template.title,
        "body_template": template.body,
        "link": template.link,
        "thread_id": template.thread_id,
        "sound": template.sound,
        "channel_id": template.channel_id,
        "quiet_channel_id": template.quiet_channel_id,
        "image": template.image,
        "badge": template.badge,
        "data": dict(template.data),
        "example_title": fill(template.title, values),
        "example_body": fill(template.body, values),
        "example_link": fill_link(template.link, values),
    }
