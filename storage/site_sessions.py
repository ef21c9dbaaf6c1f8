"""What is left of sites' sessions, for those that want a login."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from storage.models import Site, SiteSession


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A site's last session."""

    cookies: str | None = None
    # Logins refused in a row.
    refused: int = 0


def kept(session: Session, site_id: int) -> Kept:
    """What is left of the last one; nothing for most sites."""
    found = session.get(SiteSession, site_id)
    return Kept() if found is None else Kept(cookies=found.cookies, refused=found.refused)


def of_logins(session: Session) -> dict[str, str | None]:
    """What is kept of the sessions of the sites that want a login, by name; None where nothing is."""
    rows = session.execute(
        select(Site.name, Site.params, SiteSession.cookies)
        .outerjoin(SiteSession, SiteSession.site_id == Site.id)
        .order_by(Site.name)
    )
    return {name: cookies for name, params, cookies in rows if params.get("login_url")}


def note(session: Session, site_id: int, *, cookies: str | None, refused: bool, now: datetime) -> None:
    """Keep what a crawl says: the cookies of a session that works, or that its login was refused."""
    if not cookies and not refused:
        return
    found = session.get(SiteSession, site_id) or SiteSession(site_id=site_id, refused=0)
    found.cookies = None if refused else cookies
    found.refused = (found.refused or 0) + 1 if refused else 0
    found.saved_at = now
    session.add(found)


def forget(session: Session, site_id: int) -> None:
    """Let the next crawl begin anew, with a login, because somebody changed the site."""
    session.execute(delete(SiteSession).where(SiteSession.site_id == site_id))
