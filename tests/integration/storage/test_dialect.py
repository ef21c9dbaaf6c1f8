"""Statements without the ORM go over a connection whose session was flushed."""

import re
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.dialect import connection_of
from storage.models import User
from tests.support.builders import NOW

ROOT = Path(__file__).parents[3]


def test_what_a_session_holds_is_there_for_a_statement_over_its_connection(session: Session) -> None:
    session.add(User(external_id="minji", timezone="UTC", created_at=NOW))
    assert connection_of(session).scalar(select(func.count()).select_from(User)) == 1


def test_nobody_takes_a_sessions_connection_by_hand() -> None:
    bare = re.compile(r"\bsession\.connection\(")
    files = [
        path for package in ("storage", "pipeline", "spiders", "scripts") for path in (ROOT / package).rglob("*.py")
    ]
    assert [str(path.relative_to(ROOT)) for path in files if bare.search(path.read_text("utf-8"))] == [
        "storage/dialect.py"
    ]
