"""The notify task: one user and one post. The waiting tasks of a process meet in one sender, which does the work."""

from functools import lru_cache
from pathlib import Path

from sqlalchemy.exc import OperationalError

from pipeline import resources
from pipeline.celery import NOTIFY_LEASE_S, app
from pipeline.delivery import Deliveries
from pipeline.provider_tokens import RedisTokenStore
from pipeline.push.channels import PushConfig, build_channels
from pipeline.push.sender import Sender
from pipeline.settings import Settings, get_settings
from storage.notifications import Key


def push_config(settings: Settings) -> PushConfig:
    """The part of the settings that concerns the channels."""
    return PushConfig(
        fcm_service_account_file=_path(settings.fcm_service_account_file),
        fcm_endpoint=settings.fcm_endpoint,
        apns_key_file=_path(settings.apns_key_file),
        apns_key_id=settings.apns_key_id,
        apns_team_id=settings.apns_team_id,
        apns_topic=settings.apns_topic,
        apns_production_endpoint=settings.apns_production_endpoint,
        apns_sandbox_endpoint=settings.apns_sandbox_endpoint,
        apns_default_environment=settings.apns_environment,
        ca_file=_path(settings.push_ca_file),
    )


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)


@lru_cache(maxsize=1)
def _sender() -> Sender[Key, str]:
    channels = build_channels(push_config(get_settings()), RedisTokenStore(resources.redis()))
    return Sender(Deliveries(resources.database(), channels, lease_s=NOTIFY_LEASE_S).deliver)


@app.task(
    name="notify_user",
    autoretry_for=(OperationalError,),
    retry_backoff=True,
    retry_backoff_max=30,
    max_retries=5,
)
def notify_user(post_id: int, user_id: int) -> None:
    """Push one post to one user's devices, unless that was done or is being done already."""
    _sender().submit((post_id, user_id)).result(timeout=NOTIFY_LEASE_S)
