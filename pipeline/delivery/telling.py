"""What became of a notification, in words for the person and for operators. Pure."""

from datetime import datetime, timedelta, tzinfo

from pipeline.delivery.timing import Reason
from storage.inbox import NotificationRow

_REASONS = frozenset(Reason)


def waits_until(row: NotificationRow) -> datetime | None:
    """Until when a notification waits for its user's time; None when it does not."""
    if row.status == "pending" and row.reason in _REASONS and not _is_told_of(row):
        return row.next_attempt_at
    return None


def words(row: NotificationRow, zone: tzinfo, *, at: datetime | None = None) -> str:
    """The status, and where a person's wishes are behind it also why: "waits until 08:10: quiet hours".

    at: the moment for which the words are; a time of the 24 hours after it is told without the date.
    """
    if (until := waits_until(row)) is not None:
        return f"waits until {_clock(until, zone, at)}: {row.reason}"
    if row.status == "pending" and _is_told_of(row):
        return f"goes with digest {row.digest_id}"
    if row.status == "skipped" and row.reason in _REASONS:
        return f"in the inbox only: {row.reason}"
    return row.status


def _is_told_of(row: NotificationRow) -> bool:
    """Whether it belongs to a digest that is sent in another one's name."""
    return row.digest_id is not None and row.deferred is not None


def _clock(moment: datetime, zone: tzinfo, at: datetime | None) -> str:
    local = moment.astimezone(zone)
    is_near = at is not None and moment - at < timedelta(days=1)
    return f"{local:%H:%M}" if is_near else f"{local:%Y-%m-%d %H:%M}"
