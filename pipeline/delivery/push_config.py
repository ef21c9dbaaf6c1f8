"""The part of the settings that concerns the push channels."""

from pathlib import Path

from pipeline.push.config import PushConfig
from pipeline.settings import Settings


def push_config(settings: Settings) -> PushConfig:
    """The channels' configuration."""
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
