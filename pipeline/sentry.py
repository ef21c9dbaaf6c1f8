"""Sentry, where SENTRY_DSN is set: errors of tasks and of beat, without anything that a person wrote or owns."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.basics.text import first_line
from pipeline.redaction import redacted
from pipeline.settings import Settings

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

DROPPED = ("request", "user", "extra", "breadcrumbs", "server_name")
"""Parts of an event that may hold payloads, or say nothing that the tags do not."""


def start(settings: Settings) -> None:
    """Send this process' errors to Sentry, if it is configured. Nothing is imported and nothing changes if not."""
    if not settings.sentry_dsn:
        return
    import sentry_sdk
    from sentry_sdk.integrations.celery import CeleryIntegration

    sentry_sdk.init(
        settings.sentry_dsn,
        # Only Celery's own: those for SQLAlchemy, Redis and HTTP clients note statements, keys and addresses.
        integrations=[CeleryIntegration(propagate_traces=False)],
        auto_enabling_integrations=False,
        send_default_pii=False,
        # A local variable may be a token, a post or a URL with a password.
        include_local_variables=False,
        max_breadcrumbs=0,
        before_send=scrubbed,
        auto_session_tracking=False,
        shutdown_timeout=2,
    )


def scrubbed(event: "Event", _hint: "Hint") -> "Event":
    """An event without payloads: of each exception its type and the first line of what it says, redacted."""
    kept: Any = {name: value for name, value in event.items() if name not in DROPPED}
    for exception in (kept.get("exception") or {}).get("values", ()):
        exception["value"] = _first_line(str(exception.get("value") or ""))
    for name in ("logentry", "tags", "contexts"):
        if name in kept:
            kept[name] = _each(kept[name], _first_line)
    if "message" in kept:
        kept["message"] = _first_line(str(kept["message"]))
    found: Event = kept
    return found


def _first_line(text: str) -> str:
    # What follows the first line of a database's error quotes the row.
    return redacted(first_line(text))


def _each(value: Any, change: Callable[[str], str]) -> Any:
    match value:
        case str():
            return change(value)
        case Mapping():
            return {key: _each(item, change) for key, item in value.items()}
        case list() | tuple():
            return [_each(item, change) for item in value]
        case _:
            return value
