"""`crawlpush drill`: whether the promises hold while everything goes wrong."""

import json
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from scripts.output import json_option

MOST_POSTS = 500
"""The boards keep 300 posts each."""


@click.command()
@click.option("--users", type=click.IntRange(1, 1_000_000), default=500, show_default=True)
@click.option("--posts", type=click.IntRange(1, MOST_POSTS), default=16, show_default=True)
@click.option("--seed", type=click.IntRange(0), help="The same seed makes the same plan; without it, a new one.")
@click.option(
    "--minutes", type=click.FloatRange(0.1, 600), default=0.5, show_default=True, help="How long things go wrong."
)
@click.option("--database", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True)
@click.option("--list", "as_list", is_flag=True, help="Say what can go wrong, and end.")
@click.option("--keep", is_flag=True, help="Keep the folder with logs, plan and findings in any case.")
@json_option
def drill(
    users: int, posts: int, seed: int | None, minutes: float, database: str, *, as_list: bool, keep: bool, as_json: bool
) -> None:
    """Disturb a copy of everything, then see whether each phone shows each post once.

    Everything is real, and apart from yours: databases, Redis, boards, push gateway and the Procfile's processes run on
    loopback in a temporary folder. After the plan's time all is healed, and the drill waits until nothing is owed:
    a minute or two, as long as leases last. It ends with code 1 when a promise was broken, and then keeps its folder.
    """
    from scripts.drill.plan import make_plan
    from scripts.drill.run import run_drill
    from scripts.drill.view import View, show_kinds

    if as_list:
        show_kinds(Console())
        return
    plan = make_plan(
        seed=secrets.randbelow(1_000_000) if seed is None else seed,
        posts=posts,
        minutes=minutes,
        database=database,
        disk=database == "sqlite" and sys.platform == "linux",
    )
    folder = Path(tempfile.mkdtemp(prefix="crawlpush-drill-"))
    failed = True
    try:
        with View(Console(stderr=as_json)) as view:
            result = run_drill(plan, users=users, database=database, folder=folder, view=view)
        # The bars are gone by now.
        view.verdict(result)
        failed = result.verdict.failed
    finally:
        if failed or keep:
            click.echo(f"Logs, plan and findings are kept in {folder}", err=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=2))
    if failed:
        sys.exit(1)
