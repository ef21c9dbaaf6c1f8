"""`crawlpush locks`."""

from contextlib import AbstractContextManager

import click
from redis import Redis

from pipeline import locks as held
from pipeline import startup
from pipeline.settings import get_settings
from scripts.asking import Ask, asks_first
from scripts.output import show_rows, table_options


@click.group()
def locks() -> None:
    """The locks in Redis that keep two processes from doing the same. Each ends by itself when its owner dies."""


def _open_redis() -> AbstractContextManager[Redis]:
    """Redis, checked to be there. Not in the group: its help needs none."""
    startup.check_redis(get_settings())
    return held.open_redis(get_settings())


@locks.command("list")
@table_options
def list_locks(*, as_json: bool) -> None:
    """List the locks with their owners. `unknown`: the owner is on another machine or in another container."""
    with _open_redis() as redis:
        rows = [
            {
                "name": lock.name,
                "owner": lock.state,
                "host": lock.owner.host if lock.owner else None,
                "pid": lock.owner.pid if lock.owner else None,
                "seconds_left": lock.seconds_left,
            }
            for lock in held.all_locks(redis)
        ]
    show_rows(rows, as_json=as_json, empty="no locks are held")


@locks.command()
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Release every lock.")
@click.option("--dead", is_flag=True, help="Release the locks of this machine's dead processes: for a deploy.")
@asks_first
def release(name: str | None, *, every: bool, dead: bool, ask: Ask) -> None:
    """Release a lock by its name, or several. A process that still works may take its lock again."""
    if (name is not None) + every + dead != 1:
        raise click.UsageError("give one of NAME, --all and --dead")
    with _open_redis() as redis:
        names = [name] if name else [lock.name for lock in held.all_locks(redis) if every or lock.state == "dead"]
        if names:
            who = "whoever holds them" if every else ", ".join(names)
            ask(f"release {len(names)} locks, {who}", is_small=not every)
        if name:
            held.force_release(redis, name)
        else:
            held.release(redis, names)
    click.echo(f"released: {', '.join(names) or 'none'}")
