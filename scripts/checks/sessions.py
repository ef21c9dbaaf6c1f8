"""Whether the sites that want a login can have a session."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy.exc import DBAPIError

from pipeline.push.channels import Finding, Level
from pipeline.settings import Settings
from storage import site_sessions
from storage.session import Database

NAMED = 3
"""Sites that a sentence names; the others are counted."""
MAKE = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"


def sessions(settings: Settings) -> Iterator[Finding]:
    """What SESSION_KEY makes of the sites with a login, and of what is kept of their sessions."""
    database = Database(settings.database)
    try:
        with database.reading() as session:
            kept = site_sessions.of_logins(session)
        yield judged(settings.session_key, kept)
    except DBAPIError:
        yield Finding(level=Level.WARN, sentence="which sites want a login cannot be seen: see the database above")
    finally:
        database.close()


def judged(key: str, kept: Mapping[str, str | None]) -> Finding:
    """What a key means for sites with a login, by name, and for what is kept of their sessions. Pure."""
    if not kept:
        return Finding(level=Level.OK, sentence="no site wants a login")
    # Only who has such a site loads it.
    from cryptography.fernet import Fernet, InvalidToken

    try:
        fernet = Fernet(key)
    except ValueError:
        wrong = "is no key" if key else "is not set"
        return Finding(
            level=Level.FAIL,
            sentence=f"SESSION_KEY {wrong}, so {_named(list(kept))} cannot be logged into: make one by `{MAKE}`",
        )
    closed = []
    for name, cookies in kept.items():
        try:
            if cookies is not None:
                fernet.decrypt(cookies.encode())
        except InvalidToken:
            closed.append(name)
    if closed:
        return Finding(
            level=Level.WARN,
            sentence=f"SESSION_KEY does not open the session that is kept of {_named(closed)}: it is another key than "
            "before, or another than the crawlers have; their next crawl logs in anew",
        )
    return Finding(level=Level.OK, sentence=f"SESSION_KEY is a key, and {_named(list(kept))} can be logged into")


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
