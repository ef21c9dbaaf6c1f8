"""Nothing waits for PostgreSQL without an end: a connection that swallows everything, a statement, a lock."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from scripts.local.proxy import Proxy
from storage import postgres
from storage.models import User
from storage.session import PASSING_ERRORS, Database


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    port = make_url(postgres_url).port
    assert port is not None
    with Proxy(port) as proxy:
        yield proxy


def test_a_connection_that_swallows_everything_is_given_up_and_the_pool_is_made_anew(postgres_url, proxy, monkeypatch):
    monkeypatch.setattr(postgres, "ANSWER_S", 4)
    url = make_url(postgres_url).set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    with closing(Database(url)) as database:
        with database.reading() as one, database.reading() as two, database.reading() as three:
            for session in (one, two, three):
                session.execute(select(User.id))
        with closing(Session(database.engine)) as session:
            session.execute(select(User.id))
            proxy.swallow()
            with pytest.raises(OperationalError, match="has not answered"):
                session.execute(select(User.id))
        # The three others are not tried in turn, each for as long: whatever the pool had is from before.
        began = time.monotonic()
        with database.writing() as session:
            session.execute(select(User.id))
        assert time.monotonic() - began < 3 * postgres.ANSWER_S


@pytest.mark.parametrize("limit", ["STATEMENT_S", "LOCK_S"])
def test_a_statement_and_a_lock_have_an_end(postgres_url, monkeypatch, limit):
    monkeypatch.setattr(postgres, limit, 1)
    with closing(Database(postgres_url)) as database, database.writing() as holder:
        holder.execute(text("LOCK TABLE users"))
        waits = "SELECT pg_sleep(20)" if limit == "STATEMENT_S" else "LOCK TABLE users"
        with pytest.raises(PASSING_ERRORS), database.writing() as session:
            session.execute(text(waits))


def test_a_connection_that_was_dropped_while_it_lay_in_the_pool_is_replaced_before_use(postgres_url, monkeypatch):
    monkeypatch.setattr(postgres, "RESTED_S", 0)
    database, killer = Database(postgres_url), Database(postgres_url)
    # Given connections of readers and writers that lie in the pool
    with database.reading() as first, database.writing() as second:
        pids = [session.scalar(text("SELECT pg_backend_pid()")) for session in (first, second)]
    # When the server drops them
    with killer.reading() as session:
        assert all(session.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}) for pid in pids)
    # Then whoever asks next does not notice, and a writer's transaction is one
    with database.reading() as session:
        assert session.scalar(text("SELECT pg_backend_pid()")) not in pids
    with database.writing() as session:
        session.execute(text("CREATE TABLE half (id int)"))
        session.rollback()
    with database.reading() as session:
        assert session.scalar(text("SELECT to_regclass('half')")) is None
    database.close()
    killer.close()


def test_a_database_that_is_read_only_for_a_while_is_an_error_that_passes(postgres_url):
    with closing(Database(postgres_url)) as database, database.writing() as session:
        session.execute(text("SET TRANSACTION READ ONLY"))
        with pytest.raises(PASSING_ERRORS):
            session.execute(insert(User).values(external_id="u", timezone="UTC"))
