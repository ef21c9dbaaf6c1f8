"""What a record of an import says, and the record of an export: users, devices and subscriptions. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pipeline.basics.preferences import Pace
from pipeline.basics.time_zones import find_zone
from pipeline.fanout.phrases import OR, parse_phrase
from pipeline.people import wishes
from pipeline.people.wishes import OFF, EntryError, parse_snooze
from pipeline.push.message import Platform
from storage.bulk import AWAKE, DeviceEntry, SubscriptionEntry, UserEntry
from storage.device_tokens import in_one_form
from storage.subscriptions import AS_INSTALLATION, KeywordText, check_places

USER_COLUMNS = ("user", "timezone", "paused", *wishes.KEPT_AS, "snooze_until")
DEVICE_COLUMNS = ("user", "platform", "token", "environment")
SUBSCRIPTION_COLUMNS = ("user", "phrase", "kind", "site", "exclude", "body", "title_only", "pace")

Values = Mapping[str, Any]


def user_entry(values: Values) -> UserEntry:
    """Read a user. Raises EntryError."""
    timezone = _text(values, "timezone")
    if timezone is not None and find_zone(timezone) is None:
        raise EntryError(f"{timezone!r} is not an IANA time zone such as Asia/Seoul or UTC")
    return UserEntry(
        user=_user(values),
        timezone=timezone,
        paused=_flag(values, "paused"),
        preferences=wishes.read({name: values.get(name) for name in wishes.KEPT_AS}),
        snooze_until=_snoozed(_text(values, "snooze_until")),
    )


def _snoozed(text: str | None) -> datetime | None:
    """The moment of a snooze, which may be over: a file is read when it is read."""
    if text is None or text == OFF:
        return AWAKE if text else None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise EntryError(f"snooze_until is {text!r}: a moment such as 2026-12-01T09:00+09:00 is expected, or {OFF}")
    return moment


def snooze(text: str | None, *, at: datetime, zone: str) -> datetime | None:
    """Until when somebody of that zone wants no pushes who says so at that moment; None when they do not.

    It is what UserEntry takes. Raises EntryError.
    """
    if text is None:
        return None
    try:
        return parse_snooze(text, now=at, zone=find_zone(zone) or UTC) or AWAKE
    except ValueError as error:
        raise EntryError(str(error)) from None


def user_record(entry: UserEntry) -> dict[str, Any]:
    """The record of a user, with what they said themselves of when and how often."""
    return {
        "user": entry.user,
        "timezone": entry.timezone,
        "paused": entry.paused,
        **wishes.written(entry.preferences),
        "snooze_until": entry.snooze_until.isoformat() if entry.snooze_until else None,
    }


def device_entry(values: Values) -> DeviceEntry:
    """Read a device. Raises EntryError or DeviceError, which do not repeat the token."""
    platform, environment = _text(values, "platform"), _text(values, "environment")
    if platform not in set(Platform):
        raise EntryError(f"the platform is {platform!r}: {', '.join(Platform)} exist")
    if environment not in (None, "production", "sandbox"):
        raise EntryError(f"the environment is {environment!r}: production and sandbox exist")
    if environment is not None and platform != "apns":
        raise EntryError("an environment is about APNs; leave it out for other platforms")
    token = in_one_form(platform, _text(values, "token") or "")
    return DeviceEntry(user=_user(values), platform=platform, token=token, environment=environment)


def device_record(entry: DeviceEntry) -> dict[str, Any]:
    """The record of a device, with its token."""
    return {
        "user": entry.user,
        "platform": entry.platform,
        "token": entry.token,
        "environment": entry.environment,
    }


def subscription_entry(values: Values) -> SubscriptionEntry:
    """Read a subscription. Raises EntryError, PhraseError or SubscriptionError."""
    phrase, kind, site = _text(values, "phrase"), _text(values, "kind"), _text(values, "site")
    if phrase is None and site is None:
        raise EntryError("it has neither a phrase nor a site: without a phrase it means every post of a site")
    match_body, title_only = bool(_flag(values, "body")), bool(_flag(values, "title_only"))
    check_places(match_body=match_body, title_only=title_only)
    return SubscriptionEntry(
        user=_user(values),
        keyword=keyword_text(phrase, kind) if phrase is not None else None,
        site=site,
        exclude=frozenset(keyword_text(text, None) for text in _texts(values, "exclude")),
        match_body=match_body,
        title_only=title_only,
        pace=pace(_text(values, "pace")),
    )


def pace(word: str | None) -> str | None:
    """A pace, or `default` for none of the subscription's own. Raises EntryError."""
    if word not in (None, AS_INSTALLATION, *Pace):
        raise EntryError(f"the pace is {word!r}: {', '.join(Pace)} and {AS_INSTALLATION} exist")
    return word


def subscription_record(entry: SubscriptionEntry) -> dict[str, Any]:
    """The record of a subscription."""
    return {
        "user": entry.user,
        "phrase": entry.keyword.text if entry.keyword else None,
        "kind": entry.keyword.kind if entry.keyword else None,
        "site": entry.site,
        "exclude": sorted(phrase.text for phrase in entry.exclude),
        "body": entry.match_body,
        "title_only": entry.title_only,
        "pace": entry.pace,
    }


@lru_cache(maxsize=200_000)
def keyword_text(raw: str, kind: str | None) -> KeywordText:
    """A phrase as the storage takes it. Raises PhraseError. Remembered, because many people want the same."""
    phrase = parse_phrase(raw, kind)
    return KeywordText(text=phrase.text, kind=phrase.kind)


def any_of(phrases: Iterable[str], kind: str | None) -> str:
    """The phrase that is found where any of some is. Raises PhraseError."""
    return f" {OR} ".join(parse_phrase(phrase, kind).text for phrase in phrases)


def check_user_id(user: str) -> str:
    """The id if it can be a user's. Raises EntryError."""
    if not user.strip() or len(user) > 255 or not user.isprintable():
        raise EntryError("a user's id has 1 to 255 printable characters")
    return user


def _user(values: Values) -> str:
    user = values.get("user")
    # Many apps number their users.
    if isinstance(user, int) and not isinstance(user, bool):
        user = str(user)
    if not isinstance(user, str):
        raise EntryError("it has no user")
    return check_user_id(user)


def _text(values: Values, name: str) -> str | None:
    value = values.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise EntryError(f"{name} is not a text")
    return value


def _texts(values: Values, name: str) -> list[str]:
    value = values.get(name)
    if value is None or value == "":
        return []
    texts = value.splitlines() if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise EntryError(f"{name} is not a list of texts")
    return [text for text in texts if text.strip()]


def _flag(values: Values, name: str) -> bool | None:
    value = values.get(name)
    if value is None or value == "" or isinstance(value, bool):
        return value if value != "" else None
    try:
        return wishes.flag(str(value).strip().lower())
    except ValueError as error:
        raise EntryError(f"{name}: {error}") from None
