"""What a start shows before you have sites and push credentials: a small board, three phones, and a push gateway."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from pipeline.fanout.phrases import parse_phrase
from pipeline.setting_layers import IS_CHECKOUT
from pipeline.settings import Settings
from scripts.board.process import BoardProcess
from scripts.gateway.process import gateway_process
from scripts.local.processes import ServerProcessError
from storage import sites, subscriptions, users
from storage.session import Database
from storage.subscriptions import KeywordText

SITE = "demo"
POST_EVERY_S = 5
SCHEDULE = "8s"
QUICK = {"TICK_S": "2", "CRAWL_DELAY_S": "0.1"}
"""Settings for a person who watches; sites of strangers are visited less often."""
COMMAND = ".venv/bin/crawlpush" if IS_CHECKOUT else "crawlpush"
"""As the person at the terminal types it."""
NO_SITE = f"There is no site yet: `{COMMAND} sites add --help` shows how to add one."
LOOPBACK = (
    "What the phones show: {phones}\n"
    "No push credentials are configured, so every push goes to a loopback gateway and to no phone."
)
EXPLANATION = (
    "Watch the phones ring: {phones}\n"
    "The demo board gains a post every few seconds, and each is pushed through a loopback FCM and APNs to those of "
    "three made-up users whose keywords it matches; what stood on the board at the first crawl is the baseline, "
    "which is stored and pushed to nobody. "
    f"In a second terminal, `{COMMAND} status` sums up, and `{COMMAND} notifications list` shows "
    "who got what; the board itself is at {board}."
)


@dataclass(frozen=True, kw_only=True)
class DemoUser:
    """A made-up person: what they want to hear of, and the platform of their one device."""

    external_id: str
    timezone: str
    platform: str
    keywords: tuple[str, ...]

    @property
    def has_phone(self) -> bool:
        """Whether it is a phone, and not the terminal."""
        return self.platform != "console"

    @property
    def token(self) -> str:
        """The same at each start, and as long as the platform's tokens are."""
        digest = hashlib.sha256(f"crawlpush demo {self.external_id}".encode()).hexdigest()
        return f"demo-android-{digest}" if self.platform == "fcm" else digest


USERS = (
    DemoUser(external_id="minji", timezone="Asia/Seoul", platform="fcm", keywords=("장학금", "스터디", "채용")),
    DemoUser(external_id="james", timezone="Europe/London", platform="apns", keywords=("node.js", "hiring", "C++")),
    DemoUser(
        external_id="sora", timezone="Asia/Seoul", platform="console", keywords=("internship", "도서관", "기숙사")
    ),
)


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What runs for the demo, as `start` tells it."""

    # Settings for the other processes, to be read below the user's own.
    environment: Mapping[str, str]
    # What a person sees.
    explanation: str


@contextmanager
def running(settings: Settings) -> Iterator[Demo]:
    """Run what is not configured: a gateway where there are no push credentials, and a board where there is no site.

    Raises ServerProcessError when one of them does not start.
    """
    with ExitStack() as stack:
        # Closed before anything runs: whoever is forked from here must find no connection.
        with closing(Database(settings.database)) as database:
            shown = _shown(settings, database, stack)
        yield shown


def _shown(settings: Settings, database: Database, stack: ExitStack) -> Demo:
    own_sites = _has_own_sites(database)
    if has_credentials(settings):
        hide(database)
        return Demo(environment={}, explanation="" if own_sites else NO_SITE)
    gateway = stack.enter_context(gateway_process(settings.data_dir / "gateway", usual_page=True))
    phones = f"{gateway.admin_url}/"
    if own_sites:
        hide(database)
        return Demo(environment=gateway.environment(), explanation=LOOPBACK.format(phones=phones))
    board = _board(database, settings.data_dir / "board.json")
    stack.callback(board.stop)
    with database.writing() as session:
        register(session, board.listing_params(), now=datetime.now(UTC))
    gateway.set_owners({(user.platform, user.token): user.external_id for user in USERS if user.has_phone})
    explanation = EXPLANATION.format(board=board.url, phones=phones)
    return Demo(environment=QUICK | gateway.environment(), explanation=explanation)


def hide(database: Database) -> None:
    """Disable the demo's site, if it is there: without its board each crawl would fail."""
    with database.writing() as session:
        for site in sites.all_sites(session):
            if site.name == SITE:
                site.enabled = False


def has_credentials(settings: Settings) -> bool:
    """Whether a push service is configured; then no made-up token may be sent there."""
    return settings.fcm_service_account_file is not None or settings.apns_key_file is not None


def register(session: Session, params: dict[str, str], *, now: datetime) -> None:
    """Make the demo's site and users, or bring them back to how they were. Safe to repeat."""
    known = {site.name: site for site in sites.all_sites(session)}.get(SITE)
    if known is not None and known.params.get("url") != params["url"]:
        # On another port every post would have another address, and be new.
        sites.remove(session, SITE, now=now)
        known = None
    site = known or sites.add(session, name=SITE, spider="listing", now=now)
    site.params = {name: value for name, value in params.items() if name != "timezone"}
    site.timezone, site.schedule, site.next_crawl_at = params.get("timezone", "UTC"), SCHEDULE, now
    site.enabled, site.allow_private, site.suspended_until = True, True, None
    for user in USERS:
        _register_user(session, user, site.id, now=now)


def _register_user(session: Session, user: DemoUser, site_id: int, *, now: datetime) -> None:
    try:
        known = users.by_external_id(session, user.external_id)
    except users.UnknownUserError:
        known = users.add(session, user.external_id, timezone=user.timezone, now=now)
    users.register_device(session, known.id, platform=user.platform, token=user.token, environment=None, now=now)
    for keyword in user.keywords:
        phrase = parse_phrase(keyword)
        subscriptions.add(
            session,
            known.id,
            keyword=KeywordText(text=phrase.text, kind=phrase.kind),
            # Of the demo's site alone: a made-up user must get no real post.
            site_id=site_id,
            limit=100,
            now=now,
        )


def _board(database: Database, file: Path) -> BoardProcess:
    """The running board, where it was the last time if that port is free."""
    with database.reading() as session:
        urls = [str(site.params.get("url", "")) for site in sites.all_sites(session) if site.name == SITE]
    port = urlsplit(urls[0]).port if urls else None
    try:
        board = BoardProcess(every=POST_EVERY_S, port=port, file=file)
        board.start()
    except ServerProcessError:
        board = BoardProcess(every=POST_EVERY_S, port=0, file=file)
        board.start()
    return board


def _has_own_sites(database: Database) -> bool:
    with database.reading() as session:
        return any(site.name != SITE for site in sites.all_sites(session))
