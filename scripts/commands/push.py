"""`crawlpush push`: one real message, by hand."""

import click

from pipeline.delivery.push_config import push_config
from pipeline.delivery.shared_tokens import RedisTokenStore
from pipeline.locks import open_redis
from pipeline.push.channels import build_channels
from pipeline.push.message import Platform
from pipeline.push.outcome import OutcomeKind
from pipeline.push.trial import BODY, DEADLINE_S, TITLE, answer_in_words, trial_message
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.output import open_database, shortened_token
from storage import users
from storage.device_tokens import in_one_form

MAX_DEVICES = 20


@click.group()
def push() -> None:
    """Try the road to a phone."""


@push.command()
@click.option("--user", help="All devices of this user that work.")
@click.option("--token", help="One device, registered or not; needs --platform.")
@click.option("--platform", type=click.Choice([platform.value for platform in Platform]), help="With --token.")
@click.option("--environment", type=click.Choice(["production", "sandbox"]), help="With --token; APNs only.")
@click.option("--title", default=TITLE, show_default=True)
@click.option("--body", default=BODY, show_default=True)
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
    channels = build_channels(push_config(settings), RedisTokenStore(open_redis(settings)), now)
    failed = False
    try:
        for name, device_token, lives_in in devices:
            message = trial_message(name, device_token, lives_in, title=title, body=body, now=now())
            (outcome,) = channels[name].send([message], DEADLINE_S, validate_only=dry_run)
            click.echo(f"{name} {shortened_token(device_token)}: {answer_in_words(outcome, dry_run=dry_run)}")
            failed = failed or outcome.kind is not OutcomeKind.DELIVERED
    finally:
        for channel in channels.values():
            channel.close()
    if failed:
        ctx.exit(1)


def _devices(
    user: str | None, token: str | None, platform: str | None, environment: str | None
) -> list[tuple[Platform, str, str | None]]:
    if (user is None) == (token is None):
        raise click.UsageError("say whom to send to: either --user, or --token with --platform")
    if token is not None:
        if platform is None:
            raise click.UsageError(f"--token needs --platform: {', '.join(Platform)} exist")
        if environment and platform != Platform.APNS:
            raise click.UsageError("--environment is about APNs; leave it out for other platforms")
        return [(Platform(platform), in_one_form(platform, token), environment)]
    if platform or environment:
        raise click.UsageError("--platform and --environment belong to --token")
    with open_database().reading() as session:
        owner = users.by_external_id(session, str(user))
        found = users.devices(session, user_id=owner.id, limit=MAX_DEVICES)
    devices = [(Platform(d.platform), d.token, d.environment) for d, _ in found if d.disabled_at is None]
    if not devices:
        raise click.ClickException(f"{user} has no device that works: `crawlpush devices list --user {user}`")
    return devices
