"""`secret:NAME` in a site's definition: a value that only the environment of the crawler has. Pure.

Definitions are passed from hand to hand, and whoever writes one says where a value is sent. So a definition may name no
variable that the installation itself lives on: neither our settings nor what other programs take from an environment.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

MARK: Final = re.compile(r"(?<![\w-])secret(?::|%3[Aa])(?P<name>\w+)")
"""A secret's place in a text, or in a form's body."""
_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
_RESERVED: Final = re.compile(
    # Our settings, those above all that are secrets themselves: a test compares.
    r"(?:CRAWL|ALERT|RETENTION|FANOUT|NOTIFY|FCM|APNS|SENTRY|SESSION|LOG|REDIS|BROKER|DATABASE|DATA|SWEEP|TICK|WORKER|"
    r"SYNONYMS|SUBSCRIPTIONS|DIGEST|BROWSER|DISPLAY|DEVICE|PUSH|WEB)_\w+|API_\w+_PER_MINUTE|API_JWT\w*|PORT|ENV_FILE|SITE_TIMEZONE|"
    r"INBOX_LINK|SUGGESTIONS_STOP|"
    # What clouds, databases and programs go by.
    r"(?:AWS|AZURE|GOOGLE|GCP|GCLOUD|KUBERNETES|DOCKER|CELERY|POSTGRES|RABBITMQ|SSL|LD|PIP|SSH|GPG|XDG|DBUS|SYSTEMD|LC)"
    r"_\w+|PG[A-Z]+|PYTHON\w+|PATH|HOME|USER|LOGNAME|SHELL|PWD|HOSTNAME|MAIL|TERM|LANG|TZ|TMPDIR|\w+_PROXY|"
    r"CREDENTIALS_DIRECTORY|JOURNAL_STREAM|INVOCATION_ID"
)


def check_secrets(text: str) -> None:
    """Raise ValueError where a text names a secret that no definition may name."""
    for found in MARK.finditer(text):
        name = found["name"]
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{found[0]!r}: a secret's name is that of a variable of the environment, in capital letters, digits "
                "and underscores, such as secret:BOARD_KEY"
            )
        if _RESERVED.fullmatch(name):
            raise ValueError(
                f"{found[0]!r} is not for sites: {name} belongs to the installation; give the value a name of its "
                "own, such as secret:BOARD_KEY"
            )


def has_secret(text: str) -> bool:
    """Whether a text names a secret."""
    return MARK.search(text) is not None


def names_secret(value: Any) -> bool:
    """Whether a parameter, or anything in it, names a secret."""
    match value:
        case str():
            return has_secret(value)
        case Mapping():
            return any(map(names_secret, value.values()))
        case list() | tuple():
            return any(map(names_secret, value))
    return False


def secret(name: str, environment: Mapping[str, str]) -> str:
    """A secret's value. Raises ValueError where it may not be named, or the environment does not have it."""
    check_secrets(f"secret:{name}")
    value = environment.get(name, "")
    if not value:
        raise ValueError(
            f"the environment has no {name}, which the site's definition names as secret:{name}: set it where the "
            "crawler starts, and restart it"
        )
    return value
