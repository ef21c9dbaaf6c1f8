"""Addresses that sign in to the pages; apart from them, because a command that prints one loads no templates."""

from datetime import datetime
from urllib.parse import quote

from pipeline.web.pages.mount import ROOT
from pipeline.web.pages.signing_in import new_link
from storage.session import Database


def new_link_address(database: Database, base: str, operator: str, *, now: datetime) -> str:
    """The address of a new link. base: where the server is, without a slash at the end."""
    return f"{base}{ROOT}/sign-in?key={quote(new_link(database, operator, now=now))}"
