"""`crawlpush push`: one real message, by hand."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

import click

from pipeline.delivery.push_config import push_config
from pipeline.delivery.shared_tokens import RedisTokenStore
from pipeline.locks import open_redis
from pipeline.push.channels import build_channels
from pipeline.push.message import Message, Platform
from pipeline.push.outcome import Outcome, OutcomeKind
from pipeline.settings import get_settings
from scripts.output import open_database, shortened_token
from storage import users

DEADLINE_S = 20.0
MAX_DEVICES = 20

WORDS: Mapping[OutcomeKind, str] = {
    OutcomeKind.DELIVERED: "accepted",
    OutcomeKind.TOKEN_DEAD: "this token will never work again: the app was removed, or it has a new token",
    OutcomeKind.WRONG_ENVIRONMENT: "a bad token, or one of the other APNs environment",
    OutcomeKind.REJECTED: "the message was refused, the device is not to blame",
    OutcomeKind.RETRY: "not delivered; a real notification would be tried again",
    OutcomeKind.UNKNOWN: "sent, and the answer was lost; a real notification would be sent again under the same tag",
    OutcomeKind.CHANNEL_DOWN: "nothing can be sent with this configuration: `crawlpush doctor push` looks at it",
}
"""What each outcome means to a person who tries one device."""


@click.group()
def push() -> None:
    """Try the road to a phone."""


@push.command()
@click.option("--user", help="All devices of this user that work.")
@click.option("--token", help="One device, registered or not; needs --platform.")
@click.option("--platform", type=click.Choice([platform.value for platform in Platform]), help="With --token.")
@click.option("--environment", type=click.Choice(["production", "sandbox"]), help="With --token; APNs only.")
@click.option("--title", default="crawlpush", show_default=True)
@click.option("--body", default="A message sent by hand, to see whether it arrives.", show_default=True)
@click.option("--dry-run", is_flag=True, help="Let FCM check the message without showing it (validate_only).")
@click.pass_context
def test(
    ctx: click.Context,
    *,
    user: str | None,
    token: str | None,
    platform: str | None,
    environment: str | None,
    title: str,
    body: str,
    dry_run: bool,
) -> None:
    """Send one message and print the vendor's answer in words. Nothing is recorded, no device is disabled."""
    devices = _devices(user, token, platform, environment)
    settings = get_settings()
    channels = build_channels(push_config(settings), RedisTokenStore(open_redis(settings)))
    failed = False
    try:
        for name, device_token, lives_in in devices:
            message = _message(name, device_token, lives_in, title, body)
            (outcome,) = channels[name].send([message], DEADLINE_S, validate_only=dry_run)
            click.echo(f"{name} {shortened_token(device_token)}: {answer_in_words(outcome, dry_run=dry_run)}")
            failed = failed or outcome.kind is not OutcomeKind.DELIVERED
    finally:
        for channel in channels.values():
            channel.close()
    if failed:
        ctx.exit(1)


def answer_in_words(outcome: Outcome, *, dry_run: bool = False) -> str:
    """What became of a message, for a person: our words, then the vendor's code and its text."""
    words = WORDS[outcome.kind]
    if outcome.kind is OutcomeKind.DELIVERED:
        where = f" by the {outcome.environment} environment" if outcome.environment else ""
        return f"{words}{where}" + (" (checked only, not shown)" if dry_run else f" as {outcome.provider_id or 'sent'}")
    said = ": ".join(text for text in (outcome.code, outcome.detail) if text)
    later = f"; the vendor asked to wait {outcome.retry_after_s:g} s" if outcome.retry_after_s else ""
    return f"{words}{later} ({said})"


def _devices(
    user: str | None, token: str | None, platform: str | None, environment: str | None
) -> list[tuple[Platform, str, str | None]]:
    if (user is None) == (token is None):
        raise click.UsageError("say whom to send to: either --user, or --token with --platform")
    if token is not None:
        if platform is None:
            raise click.UsageError("--token needs --platform: fcm, apns or console")
        if environment and platform != Platform.APNS:
            raise click.UsageError("--environment is about APNs; leave it out for other platforms")
        return [(Platform(platform), token, environment)]
    if platform or environment:
        raise click.UsageError("--platform and --environment belong to --token")
    with open_database().reading() as session:
        owner = users.by_external_id(session, str(user))
        found = users.devices(session, user_id=owner.id, limit=MAX_DEVICES)
    devices = [(Platform(d.platform), d.token, d.environment) for d, _ in found if d.disabled_at is None]
    if not devices:
        raise click.ClickException(f"{user} has no device that works: `crawlpush devices list --user {user}`")
    return devices


def _message(platform: Platform, token: str, environment: str | None, title: str, body: str) -> Message:
    number = uuid4().hex[:12]
    return Message(
        delivery_id=f"test-{number}",
        platform=platform,
        token=token,
        environment=environment,
        tag=f"test-{number}",
        title=title,
        body=body,
        data={"test": number},
        created_at=datetime.now(UTC),
        ttl_s=3600,
    )
