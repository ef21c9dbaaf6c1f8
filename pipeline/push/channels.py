"""The channels of a process, built from its settings, and a check of the credentials in words."""

import json
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pipeline.push.apns.channel import APNsChannel
from pipeline.push.apns.provider_token import ProviderTokenStore
from pipeline.push.channel import Channel, CredentialsError, UnconfiguredChannel
from pipeline.push.clock import Clock, own_clock
from pipeline.push.config import PushConfig, missing_apns
from pipeline.push.console import ConsoleChannel
from pipeline.push.credentials import load_apns_key, load_service_account, tls_context
from pipeline.push.fcm.channel import FCMChannel
from pipeline.push.message import Platform

_FCM_MISSING = "FCM is not set up: set FCM_SERVICE_ACCOUNT_FILE to the service account file of your Firebase project."


class Level(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that check_credentials looked at."""

    level: Level
    sentence: str


def build_channels(
    config: PushConfig, token_store: ProviderTokenStore | None = None, now: Callable[[], datetime] = own_clock
) -> dict[Platform, Channel]:
    """Return a channel for every platform; one without credentials makes its messages wait and says why.

    token_store: where the fleet shares APNs' provider token. now: the fleet's clock; credentials that are signed by a
    wrong one are refused, and that pauses the channel for everybody. Raises CredentialsError for credentials that are
    there but cannot be used.
    """
    return {
        Platform.FCM: _fcm_channel(config, Clock(now)),
        Platform.APNS: _apns_channel(config, Clock(now), token_store),
        Platform.CONSOLE: ConsoleChannel(),
    }


def check_credentials(config: PushConfig) -> list[Finding]:
    """Look at every credentials setting and file without any network, and say in words what is right and wrong."""
    findings: list[Finding] = []
    if config.ca_file:
        findings.append(_finding(lambda: tls_context(config.ca_file) and f"The CA file {config.ca_file} is readable."))
    findings += _check_fcm(config)
    findings += _check_apns(config)
    return findings


def _fcm_channel(config: PushConfig, clock: Clock) -> Channel:
    if not config.fcm_service_account_file:
        return UnconfiguredChannel("fcm", _FCM_MISSING)
    return FCMChannel(
        config.fcm_service_account_file,
        endpoint=config.fcm_endpoint,
        ca_file=config.ca_file or None,
        clock=clock,
    )


def _apns_channel(config: PushConfig, clock: Clock, token_store: ProviderTokenStore | None) -> Channel:
    missing = missing_apns(config)
    if missing:
        return UnconfiguredChannel("apns", f"APNs is not set up: set {', '.join(missing)}.")
    return APNsChannel(
        str(config.apns_key_file),
        str(config.apns_key_id),
        str(config.apns_team_id),
        str(config.apns_topic),
        production_endpoint=config.apns_production_endpoint,
        sandbox_endpoint=config.apns_sandbox_endpoint,
        default_environment=config.apns_default_environment,
        ca_file=config.ca_file or None,
        token_store=token_store,
        clock=clock,
    )


def _check_fcm(config: PushConfig) -> list[Finding]:
    path = config.fcm_service_account_file
    if not path:
        return [Finding(level=Level.WARN, sentence=_FCM_MISSING)]

    def describe() -> str:
        account = load_service_account(path)
        return f"{path} is the service account {account.client_email} of the project {account.project_id}."

    return [_finding(describe), *_check_permissions(path), *_check_project(path)]


def _check_project(path: str) -> list[Finding]:
    """A service account usually belongs to the project that it sends for; another one is worth a look."""
    try:
        info = json.loads(Path(path).read_text(encoding="utf-8"))
        home = str(info["client_email"]).partition("@")[2].partition(".")[0]
        project = str(info["project_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if home == project:
        return []
    sentence = f"The service account in {path} belongs to the project {home}, and sends for {project}: is that meant?"
    return [Finding(level=Level.WARN, sentence=sentence)]


def _check_apns(config: PushConfig) -> list[Finding]:
    missing = missing_apns(config)
    if len(missing) == 4:
        return [Finding(level=Level.WARN, sentence=f"APNs is not set up: set {', '.join(missing)}.")]
    findings = [Finding(level=Level.FAIL, sentence=f"{name} is not set; APNs needs it.") for name in missing]
    path = config.apns_key_file
    if path:
        findings.append(_finding(lambda: load_apns_key(path) and f"{path} is a P-256 signing key for APNs."))
        findings += _check_permissions(path)
        findings += _check_key_name(path, config.apns_key_id)
    for name, value in (("APNS_KEY_ID", config.apns_key_id), ("APNS_TEAM_ID", config.apns_team_id)):
        # Apple's key ids and team ids have ten characters, capital letters and digits.
        if value and not re.fullmatch(r"[A-Z0-9]{10}", value):
            sentence = f"{name} is {value!r}; Apple's have ten capital letters and digits."
            findings.append(Finding(level=Level.FAIL, sentence=sentence))
    topic = config.apns_topic
    if topic and not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", topic):
        sentence = f"APNS_TOPIC is {topic!r}; it is the app's bundle id, like com.example.app."
        findings.append(Finding(level=Level.FAIL, sentence=sentence))
    return findings


def _check_key_name(path: str, key_id: str | None) -> list[Finding]:
    """Apple names the file after the key id: a difference is the commonest mistake."""
    named = re.fullmatch(r"AuthKey_([A-Z0-9]{10})\.p8", Path(path).name)
    if named is None or not key_id or named[1] == key_id:
        return []
    sentence = f"The key file is named after the key {named[1]}, but APNS_KEY_ID is {key_id}: one of them is wrong."
    return [Finding(level=Level.FAIL, sentence=sentence)]


def _check_permissions(path: str) -> list[Finding]:
    try:
        mode = stat.S_IMODE(Path(path).stat().st_mode)
    except OSError:
        return []
    if mode & 0o077:
        sentence = f"{path} may be read by other users (mode {mode:o}); run: chmod 600 {path}"
        return [Finding(level=Level.WARN, sentence=sentence)]
    return [Finding(level=Level.OK, sentence=f"{path} is for its owner only.")]


def _finding(describe: Callable[[], object]) -> Finding:
    """An ok finding in describe()'s words, or a failure in those of its CredentialsError."""
    try:
        return Finding(level=Level.OK, sentence=str(describe()))
    except CredentialsError as error:
        return Finding(level=Level.FAIL, sentence=str(error))
