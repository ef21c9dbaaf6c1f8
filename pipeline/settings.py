"""Every setting, read once from the environment into one frozen object.

Where the values come from is in `pipeline.setting_layers`. docs/configuration.md is made from the descriptions.
"""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.basics.owners import file_sentence
from pipeline.basics.preferences import Preferences
from pipeline.basics.vendors import APNS_PRODUCTION_ENDPOINT, APNS_SANDBOX_ENDPOINT, FCM_ENDPOINT
from pipeline.basics.week_hours import NONE, parse_cap, parse_times, parse_windows
from pipeline.errors import PipelineError
from pipeline.setting_layers import (
    DATA_DIR,
    FILE_SUFFIX,
    LayersError,
    Origin,
    env_file,
    env_layer,
    file_layer,
    merged,
)
from pipeline.setting_values import (
    AlertURLs,
    BrokerURLs,
    DatabaseURL,
    Endpoint,
    File,
    LogLevel,
    Networks,
    PerDay,
    RedisURL,
    TimesOfDay,
    TimeZone,
    WebURL,
    WeekHours,
)


class SettingsError(PipelineError, ValueError):
    """A setting that is missing or wrong: its sentences name the variable, what it was, and what is allowed."""


class Settings(BaseModel):
    """What a process of crawlpush needs to know. Secrets are left out of the repr."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: File = Field(DATA_DIR, description="Folder of the embedded database and servers, and of signs of life.")
    database_url: DatabaseURL = Field(
        "", repr=False, description="sqlite:///FILE or postgresql://...; default: SQLite in DATA_DIR."
    )
    redis_url: RedisURL = Field(
        "redis://127.0.0.1:6379/0", repr=False, description="Redis for locks and, unless BROKER_URL is set, messages."
    )
    broker_url: BrokerURLs = Field(
        "", repr=False, description="Celery's broker, redis:// or amqp://; default: REDIS_URL."
    )
    redis_tls_insecure: bool = Field(
        default=False, description="Accept a rediss:// server's self-signed certificate, as Heroku's Redis has."
    )

    site_timezone: TimeZone = Field("UTC", description="Time zone of a new site that is added without one.")
    display_timezone: TimeZone = Field(
        "", description="Time zone of the times that are shown and logged; default: the machine's."
    )
    log_level: LogLevel = Field("INFO", description="Least level that is logged.")
    log_format: Literal["human", "json"] = Field("human", description="One line per event, in words or as JSON.")

    crawl_contact: str = Field(
        "", description="Mail or web address in the User-Agent, so that a board's owner can reach you."
    )
    session_key: str = Field(
        "",
        repr=False,
        description="Encrypts the cookies of sites with a login (a Fernet key); docs/sites.md makes one.",
    )
    crawl_concurrency: int = Field(4, ge=1, le=64, description="Sites that one crawler crawls at once.")
    crawl_soft_limit_s: float = Field(
        120, gt=0, le=3600, description="Seconds after which a crawl is closed gracefully."
    )
    crawl_hard_limit_s: float = Field(
        150, gt=0, le=3660, description="Seconds after which a crawl's processes are killed."
    )
    crawl_memory_mb: int = Field(512, ge=128, le=16_384, description="Memory that one crawl may use.")
    crawl_max_bytes: int = Field(8_000_000, ge=10_000, description="Largest page that is read, in bytes.")
    crawl_max_pages: int = Field(20, ge=1, le=1000, description="Pages that one crawl may fetch.")
    crawl_delay_s: float = Field(1.0, ge=0, le=60, description="Pause between two requests to one host.")

    alert_urls: AlertURLs = Field(
        "", repr=False, description="Where alerts to the operators go: Apprise URLs, separated by blanks."
    )
    alert_s: float = Field(30, ge=1, le=600, description="How often is looked for what the operators should hear of.")
    alert_backlog_s: float = Field(
        600, ge=10, description="Age of a queue's oldest message, in seconds, above which the operators hear of it."
    )
    sentry_dsn: str = Field("", repr=False, description="Where Sentry takes errors; default: nowhere.")

    worker_nice: int = Field(
        10, ge=0, le=19, description="How far workers step back behind other processes of the machine (nice)."
    )
    tick_s: float = Field(15, ge=1, le=60, description="How often beat looks for sites that are due.")
    sweep_s: float = Field(30, ge=1, le=600, description="How often beat looks for owed work that nobody does.")
    device_expiry_days: int = Field(
        270, ge=30, description="Days after which a device that its app has not registered again gets no more pushes."
    )
    fanout_slice: int = Field(2000, ge=1, le=20_000, description="Users that one slice of a fan-out serves.")
    notify_queue_max: int = Field(
        2000, ge=1, description="Length of notify_tasks above which nothing is added, about two seconds of sending."
    )
    notify_concurrency: int = Field(
        300, ge=1, le=1000, description="Notifications that one notifier sends together, at most."
    )
    notify_transport: Literal["bulk", "stock"] = Field(
        "bulk", description="How notifiers read Redis: many messages at once, or one by one with kombu's own transport."
    )
    default_quiet_hours: WeekHours = Field(
        NONE, description='Hours without pushes for users who say nothing else, such as "22:00-08:00", in their zones.'
    )
    default_digest: TimesOfDay = Field(
        NONE, description='Times of day of the digests of users who say nothing else, such as "08:00,18:00".'
    )
    default_daily_cap: PerDay = Field(
        NONE, description="Pushes a day that users get who say nothing else; what is more joins the next digest."
    )
    digest_spread_s: float = Field(
        600,
        ge=0,
        le=3600,
        description="Seconds over which digests of one time of day go out, each person's at a moment of its own.",
    )
    inbox_link: str = Field("", description="Where a tap on a digest leads: the address of your app's inbox.")
    retention_runs_days: int = Field(30, ge=1, description="Days after which finished crawl runs are removed.")
    retention_notifications_days: int = Field(
        90, ge=1, description="Days after which notifications that are over are removed, with their deliveries."
    )
    retention_deliveries_days: int = Field(
        7,
        ge=1,
        description="Days after which what was delivered is known of its notification alone, not of each phone.",
    )
    retention_post_texts_days: int = Field(
        0, ge=0, description="Days after which the texts of posts are emptied; 0: never. The posts stay known."
    )
    synonyms_file: File | None = Field(
        None, description="Words that mean one thing, for matching (TOML, see deploy/synonyms.toml)."
    )
    suggestions_stop: str = Field("", description="Words that no suggested phrase may hold, separated by commas.")
    subscriptions_per_user: int = Field(100, ge=1, description="Limit of subscriptions a user may have.")

    web_host: str = Field("127.0.0.1", description="Address that the HTTP API listens on; 0.0.0.0: all of them.")
    port: int = Field(8000, ge=0, le=65_535, description="Port that the HTTP API listens on.")
    web_url: WebURL = Field(
        "", description="Address of the pages as operators reach them, such as https://push.example.org."
    )
    web_operator_header: str = Field(
        "", description="Header in which your own proxy names who is signed in there, such as X-Forwarded-User."
    )
    web_operator_proxies: Networks = Field(
        "", description="Addresses and networks of the proxies whose header is believed, separated by blanks."
    )
    api_user_per_minute: int = Field(120, ge=1, description="Requests a minute that a user's token may make.")
    api_key_per_minute: int = Field(30_000, ge=1, description="Requests a minute that a server key may make.")
    api_installs_per_minute: float = Field(
        10, gt=0, description="Phones without a login that one address may register in a minute."
    )

    fcm_service_account_file: File | None = Field(None, description="Google's service account key (JSON).")
    fcm_endpoint: Endpoint = Field(FCM_ENDPOINT, description="FCM HTTP v1.")
    fcm_quota_per_minute: int = Field(
        600_000, ge=1, description="Messages a minute that your Firebase project may send, all processes together."
    )
    apns_key_file: File | None = Field(None, description="Apple's provider key (.p8).")
    apns_key_id: str = Field("", description="The key's ten-character id.")
    apns_team_id: str = Field("", description="Your ten-character team id.")
    apns_topic: str = Field("", description="The app's bundle id.")
    apns_environment: Literal["production", "sandbox"] = Field(
        "production", description="Where a device's token is tried first when nothing else is known."
    )
    apns_production_endpoint: Endpoint = Field(APNS_PRODUCTION_ENDPOINT, description="APNs, production.")
    apns_sandbox_endpoint: Endpoint = Field(APNS_SANDBOX_ENDPOINT, description="APNs, sandbox.")
    push_ca_file: File | None = Field(None, description="Certificate authority of a loopback push gateway.")

    @property
    def database(self) -> str:
        """The database's URL: DATABASE_URL, else the SQLite file in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir / 'crawlpush.db'}"

    @property
    def broker(self) -> str:
        """The broker's URL: BROKER_URL, else Redis."""
        return self.broker_url or self.redis_url

    @property
    def display_zone(self) -> ZoneInfo | None:
        """The zone of DISPLAY_TIMEZONE; None is the machine's, as datetime understands it."""
        return ZoneInfo(self.display_timezone) if self.display_timezone else None

    @property
    def default_preferences(self) -> Preferences:
        """What people have who said nothing about when and how often."""
        return Preferences(
            quiet=parse_windows(self.default_quiet_hours),
            digests=parse_times(self.default_digest),
            daily_cap=parse_cap(self.default_daily_cap),
        )

    @property
    def alert_destinations(self) -> tuple[str, ...]:
        """The URLs of ALERT_URLS."""
        return tuple(self.alert_urls.split())

    @property
    def user_agent(self) -> str:
        """What we tell the sites that we are."""
        contact = f"; +{self.crawl_contact}" if self.crawl_contact else ""
        return f"crawlpush/0.2 (board watcher{contact})"


SECRETS = frozenset(name for name, field in Settings.model_fields.items() if not field.repr)
"""Settings whose value may hold a password. No error repeats it, and NAME_FILE may name a file that holds it."""


def load() -> Settings:
    """Read the settings. Raises SettingsError with one line for each that is wrong."""
    return load_with_origins()[0]


def load_with_origins() -> tuple[Settings, Mapping[str, Origin]]:
    """The settings, and for those that somebody set, where. Raises SettingsError with one line for each that is wrong.

    From strong to weak: the environment, the `.env` file, what `scripts/start` left in the data folder for the servers
    that it runs itself (embedded.env), the default.
    """
    dotenv = env_file()
    try:
        if dotenv is not None and os.environ.get("ENV_FILE"):
            dotenv.stat()
        layers = [env_layer(), *([file_layer(dotenv)] if dotenv is not None else [])]
        data_dir = _validated(merged(layers, names=["data_dir"], secrets=SECRETS)[0]).data_dir
        layers.append(file_layer(data_dir / "embedded.env"))
        values, origins = merged(layers, names=Settings.model_fields, secrets=SECRETS)
    except LayersError as error:
        raise SettingsError(str(error)) from None
    except FileNotFoundError as error:
        if error.filename != str(dotenv):
            raise SettingsError(f"{error.filename} is not there: a setting names it as the file of its value") from None
        raise SettingsError(f"ENV_FILE names {dotenv}, which is not there: correct it, or set it to nothing") from None
    except OSError as error:
        raise SettingsError(file_sentence(error)) from None
    settings = _validated(values)
    if settings.crawl_hard_limit_s <= settings.crawl_soft_limit_s:
        raise SettingsError(
            f"CRAWL_HARD_LIMIT_S is {settings.crawl_hard_limit_s:g}, but it must be greater than "
            f"CRAWL_SOFT_LIMIT_S, which is {settings.crawl_soft_limit_s:g}"
        )
    return settings, origins


def _validated(values: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(dict(entry)) for entry in error.errors())) from None


def unknown_names() -> list[str]:
    """A sentence for each name in the `.env` file that is no setting and looks like one, with the nearest that is."""
    file = env_file()
    if file is None or not file.is_file():
        return []
    # Other programs read the file too, so a name that is like none of ours may be meant for them.
    known = [*Settings.model_fields, *(f"{name}{FILE_SUFFIX}" for name in SECRETS)]
    found = [name for name in file_layer(file).values if name not in known]
    nearest = {name: get_close_matches(name, known, n=1, cutoff=_ALIKE) for name in found}
    return [
        f"{file}: {name.upper()} is no setting; did you mean {near[0].upper()}?"
        for name, near in nearest.items()
        if near
    ]


_ALIKE = 0.8
"""From this share of equal letters on, a name is another one with a mistake (difflib)."""


def _sentence(entry: Mapping[str, object]) -> str:
    location = entry["loc"]
    name = str(location[0]) if isinstance(location, tuple) and location else "?"
    was = "that value" if name in SECRETS else repr(entry["input"])
    allowed = str(entry["msg"]).removeprefix("Value error, ")
    return f"{name.upper()}: {was} is not allowed: {allowed[:1].lower()}{allowed[1:]}"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process."""
    return load()
