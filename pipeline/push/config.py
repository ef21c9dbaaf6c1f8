"""What the push channels are built from. Apart from them, because they load the vendors' libraries."""

from dataclasses import dataclass

from pipeline.basics.vendors import APNS_PRODUCTION_ENDPOINT, APNS_SANDBOX_ENDPOINT, FCM_ENDPOINT
from pipeline.push.message import Platform


@dataclass(frozen=True, kw_only=True)
class PushConfig:
    """Where the credentials are and where the vendors live. None and "" mean: not given."""

    fcm_service_account_file: str | None = None
    fcm_endpoint: str = FCM_ENDPOINT
    apns_key_file: str | None = None
    apns_key_id: str | None = None
    apns_team_id: str | None = None
    apns_topic: str | None = None
    """The app's bundle id."""
    apns_production_endpoint: str = APNS_PRODUCTION_ENDPOINT
    apns_sandbox_endpoint: str = APNS_SANDBOX_ENDPOINT
    apns_default_environment: str = "production"
    """For devices whose environment is not known: production or sandbox."""
    ca_file: str | None = None
    """Certificates to trust instead of the system's (the loopback gateway's, say)."""


def configured(config: PushConfig) -> list[Platform]:
    """The platforms that were given credentials, or need none."""
    return [
        *([Platform.FCM] if config.fcm_service_account_file else []),
        *([Platform.APNS] if not missing_apns(config) else []),
        Platform.CONSOLE,
    ]


def missing_apns(config: PushConfig) -> list[str]:
    """The settings of APNs that are not given."""
    names = ("apns_key_file", "apns_key_id", "apns_team_id", "apns_topic")
    return [name.upper() for name in names if not getattr(config, name)]
