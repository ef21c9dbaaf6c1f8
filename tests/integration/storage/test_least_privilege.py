"""The statements of docs/security.md for a database user who reads and writes rows, and can do nothing else."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from pipeline.resources import now
from pipeline.scheduling import due
from pipeline.settings import Settings
from pipeline.upkeep import retention, sweeping
from storage import migrate, notifications, pauses
from storage.matching import Hit
from storage.pauses import Scope
from storage.session import Database
from tests.integration.pipeline.upkeep.test_sweeping import Queues
from tests.support.builders import NOW, add_site, add_user, found, stored_posts
from tests.support.services import require

PAGE = Path(__file__).parents[3] / "docs" / "security.md"


def _statements() -> str:
    section = PAGE.read_text().partition("## The database user")[2]
    block = re.search(r"```sql\n(.*?)```", section, re.DOTALL)
    return block[1]


@pytest.fixture
def least(empty_postgres_url: str) -> Iterator[str]:
    """The URL of a database that its owner has migrated, for a user with the rights of the page."""
    user, password = f"crawlpush_app_{secrets.token_hex(4)}", secrets.token_hex(8)
    owner = make_url(empty_postgres_url)
    with psycopg.connect(
        owner.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    ) as connection:
        try:
            connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{password}'")
        except InsufficientPrivilege:
            require(False, "a PostgreSQL user who may create others")
        for statement in _statements().replace("crawlpush_app", user).split(";"):
            connection.execute(statement)
        migrate.upgrade(empty_postgres_url)
        try:
            yield owner.set(username=user, password=password).render_as_string(hide_password=False)
        finally:
            connection.execute(f"DROP OWNED BY {user}")
            connection.execute(f"DROP ROLE {user}")


def test_the_processes_do_their_work_with_no_more_than_rows(least: str) -> None:
    migrate.require_migrated(least)
    database, queues = Database(least), Queues()
    with database.writing() as session:
        site = add_site(session)
        add_user(session, "minji", "장학")
        (post_id,) = stored_posts(session, site, [found(1, "장학")])
        hit = Hit(site_id=site.id, title_ids=[1], all_ids=[1], match_body=False)
        assert notifications.create_slice(session, post_id, hit, after=0, size=10, now=NOW).users
        assert due.claim_due(session)
        assert pauses.begin(session, Scope(activity="push", channel="fcm"), now=NOW)
        assert pauses.begin(session, Scope(activity="crawl", site="board"), now=NOW)
        assert pauses.lifted(session, {"fcm", "site board"}) == {"site board"}
    sweeping.sweep(database, queues.broker())
    retention.prune(database, retention.moments(Settings(), now()))
    database.close()


@pytest.mark.parametrize(
    "statement",
    ["DROP TABLE posts", "TRUNCATE posts", "CREATE TABLE mine (id int)", "ALTER TABLE posts ADD COLUMN mine int"],
)
def test_they_can_change_no_table(least: str, statement: str) -> None:
    database = Database(least)
    with pytest.raises(ProgrammingError) as refused, database.engine.begin() as connection:
        connection.execute(text(statement))
    assert isinstance(refused.value.orig, InsufficientPrivilege)
    database.close()
