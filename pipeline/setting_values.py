"""What the values of settings may be: types of which each has its check, whose error says what is expected. Pure."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from pipeline.basics.time_zones import find_zone
from pipeline.basics.week_hours import NONE, parse_cap, parse_times, parse_windows, times_text, windows_text
from storage.session import DatabaseURLError, parse_url


def _time_zone(name: str) -> str:
    if find_zone(name) is None:
        raise ValueError("an IANA time zone such as Asia/Seoul or UTC is expected")
    return name


def _database_url(url: str) -> str:
    try:
        parse_url(url)
    except DatabaseURLError as error:
        raise ValueError(str(error)) from None
    return url


def _redis_url(url: str) -> str:
    if _scheme(url) not in {"redis", "rediss"}:
        raise ValueError("a URL of the form redis://[:PASSWORD@]HOST:PORT/DB or rediss://... is expected")
    return url


def _scheme(url: str) -> str:
    """The scheme of a URL whose other parts can be read. Raises ValueError with a sentence."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("its port is no number between 0 and 65535, or its host is not understood") from None
    if "visibility_timeout" in parts.query:
        raise ValueError("leave visibility_timeout out: crawlpush derives it from each process type's limits")
    return parts.scheme if "://" in url else ""


def _broker_url(urls: str) -> str:
    # Several are brokers that stand in for each other.
    for url in urls.split(";"):
        scheme = _scheme(url)
        if why := NO_BROKERS.get(scheme.partition("+")[0]):
            raise ValueError(f"{why}; {BROKER_FORMS}")
        if scheme not in BROKERS:
            raise ValueError(BROKER_FORMS)
    return urls


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("a URL of the form https://HOST[:PORT] is expected")
    return url.rstrip("/")


def _web_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("a URL of the form https://HOST[:PORT] is expected")
    return url.rstrip("/")


def _networks(text: str) -> str:
    try:
        for each in text.split():
            ip_network(each, strict=False)
    except ValueError:
        raise ValueError("IP addresses or networks such as 10.0.0.0/8, separated by blanks, are expected") from None
    return text


def _alert_urls(urls: str) -> str:
    if not all(re.match(r"\w[\w+-]*://.", url) for url in urls.split()):
        raise ValueError("Apprise URLs such as mailto://... or slack://..., separated by blanks, are expected")
    return urls


def _week_hours(text: str) -> str:
    return windows_text(parse_windows(text))


def _times_of_day(text: str) -> str:
    return times_text(parse_times(text))


def _a_day(text: str) -> str:
    return str(parse_cap(text) or NONE)


BROKERS = frozenset({"redis", "rediss", "sentinel", "amqp", "amqps", "pyamqp"})
BROKER_FORMS = (
    "a URL of the form redis://HOST:PORT/DB, rediss://..., amqp://USER:PASSWORD@HOST:PORT// or amqps://... is expected"
)
NO_BROKERS = {
    **dict.fromkeys(
        ("sqla", "sqlalchemy", "db", "sqlite", "postgres", "postgresql", "mysql", "mongodb", "django"),
        "a database is no broker, not even in development",
    ),
    **dict.fromkeys(("memory", "filesystem"), "each process would have a broker of its own"),
}
"""Schemes of kombu's transports, or of mistakes, with what is wrong with them; in front of a "+"."""

TimeZone = Annotated[str, AfterValidator(_time_zone)]
RedisURL = Annotated[str, AfterValidator(_redis_url)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)]
File = Annotated[Path, AfterValidator(Path.expanduser)]
DatabaseURL = Annotated[str, AfterValidator(_database_url)]
BrokerURLs = Annotated[str, AfterValidator(_broker_url)]
AlertURLs = Annotated[str, AfterValidator(_alert_urls)]
WeekHours = Annotated[str, AfterValidator(_week_hours)]
TimesOfDay = Annotated[str, AfterValidator(_times_of_day)]
PerDay = Annotated[str, AfterValidator(_a_day)]
WebURL = Annotated[str, AfterValidator(_web_url)]
Networks = Annotated[str, AfterValidator(_networks)]
