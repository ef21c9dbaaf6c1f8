"""The servers of an installation under test: real, empty, on loopback, for benchmarks and drills."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.errors import CommandError
from scripts.gateway.process import GatewayProcess, gateway_process
from scripts.local.embedded_postgres import PostgresServer, find_postgres
from scripts.local.embedded_redis import EmbeddedRedis
from storage.migrate import upgrade


@dataclass(frozen=True, kw_only=True)
class Servers:
    """What worker processes need, and the environment that tells them where it is."""

    folder: Path
    gateway: GatewayProcess
    redis: EmbeddedRedis
    # None: the database is the SQLite file in the data folder.
    postgres: PostgresServer | None
    environment: Mapping[str, str]

    @property
    def redis_url(self) -> str:
        """The address of the Redis, which it keeps when it is started again."""
        return self.environment["REDIS_URL"]

    @property
    def database_url(self) -> str:
        """The address of the database."""
        return self.environment["DATABASE_URL"]

    @property
    def data_folder(self) -> Path:
        """DATA_DIR."""
        return Path(self.environment["DATA_DIR"])


@contextmanager
def servers(folder: Path, database: str, *, keep: int) -> Iterator[Servers]:
    """Redis, a push gateway that remembers `keep` messages, and a migrated database ("sqlite" or "postgres").

    Other settings are those of this process' environment; no .env file is read. Raises CommandError.
    """
    with ExitStack() as stack:
        redis = stack.enter_context(EmbeddedRedis(folder / "redis", keep_address=True))
        gateway = stack.enter_context(gateway_process(folder / "gateway", keep=keep))
        postgres = None
        if database == "sqlite":
            url = f"sqlite:///{folder / 'data' / 'crawlpush.db'}"
        else:
            programs = find_postgres()
            if programs is None:
                raise CommandError("there is no PostgreSQL on this machine: install it, or use --database sqlite")
            # Without the tests' options: a deployment's server writes to its disk.
            postgres = stack.enter_context(PostgresServer(programs, ()))
            url = postgres.url.set(database="postgres").render_as_string(hide_password=False)
        upgrade(url)
        environment = {
            **os.environ,
            **gateway.environment(),
            "ENV_FILE": "",
            "DATA_DIR": str(folder / "data"),
            "DATABASE_URL": url,
            "REDIS_URL": redis.url,
            "BROKER_URL": "",
            "LOG_LEVEL": "INFO",
            "REQUESTS_CA_BUNDLE": gateway.environment()["PUSH_CA_FILE"],
        }
        yield Servers(folder=folder, gateway=gateway, redis=redis, postgres=postgres, environment=environment)
