"""Time zones by their IANA names, such as Asia/Seoul."""

from zoneinfo import ZoneInfo


def find_zone(name: str) -> ZoneInfo | None:
    """The time zone of that name; None when this machine knows none. Whoever asks has the sentence about it.

    Opening one file costs far less than `zoneinfo.available_timezones`, which walks through all of them.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; no path at all; a folder, such as "Asia"
        return None
