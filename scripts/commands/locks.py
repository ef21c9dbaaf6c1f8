"""`crawlpush locks`."""

import click

from pipeline import locks as held
from pipeline import startup
from pipeline.settings import get_settings
from scripts.output import ask, show_rows, table_options, yes_option


@click.group()
def locks() -> None:
    """The locks in Redis that keep two processes from doing the same. Each ends by itself when its owner dies."""
    startup.check_redis(get_settings())


@locks.command("list")
@table_options
def list_locks(*, as_json: bool) -> None:
    """List the locks with their owners. `unknown`: the owner is on another machine or in another container."""
    with held.open_redis(get_settings()) as redis:
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
@yes_option
def release(name: str | None, *, every: bool, dead: bool, yes: bool) -> None:
    """Release a lock by its name, or several. A process that still works may take its lock again."""
    if (name is not None) + every + dead != 1:
        raise click.UsageError("give one of NAME, --all and --dead")
    with held.open_redis(get_settings()) as redis:
        if dead:
            released = held.release_dead(redis)
        elif every:
            released = [lock.name for lock in held.all_locks(redis)]
            if released:
                ask(f"Release {len(released)} locks, whoever holds them?", yes=yes)
            for each in released:
                redis.delete(held.PREFIX + each)
        else:
            held.force_release(redis, str(name))
            released = [str(name)]
    click.echo(f"released: {', '.join(released) or 'none'}")
