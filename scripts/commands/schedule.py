"""`crawlpush schedule`: what beat will do next."""

import json
from datetime import datetime
from typing import Any

import click

from pipeline import startup
from pipeline.locks import open_redis
from pipeline.resources import now
from pipeline.scheduling import heartbeat
from pipeline.scheduling.parsing import parse_schedule
from pipeline.scheduling.words import describe
from pipeline.settings import get_settings
from scripts.output import limit_option, local_time, open_database, show_rows, table_options
from storage import sites


@click.command()
@limit_option()
@table_options
def schedule(*, limit: int | None, as_json: bool) -> None:
    """List everything that beat will do next: its own entries, and the sites by when they are due."""
    at = now()
    startup.check_redis(get_settings())
    with open_redis(get_settings()) as redis:
        beats = heartbeat.beats(redis)
    problem = heartbeat.problem(beats, at)
    alive = [beat for beat in beats if not beat.is_stale(at)]
    upcoming = alive[0].upcoming if alive else {}
    rows = [_entry(name, entry, upcoming.get(name)) for name, entry in _beat_schedule().items()]
    rows.sort(key=lambda row: (row["next"] is None, row["next"]))
    with open_database().reading() as session:
        due = [
            {"next": sites.due_at(site), "what": f"crawl {site.name}", "when": describe(parse_schedule(site.schedule))}
            for site in sites.upcoming(session, limit=limit)
        ]
    if as_json:
        answer = {"beat_problem": problem, "beats": [beat.__dict__ for beat in alive], "entries": rows, "sites": due}
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2, default=_plain))
        return
    for beat in alive:
        click.echo(f"beat runs on {beat.host} (pid {beat.pid}), last heartbeat {local_time(beat.at)}")
    if problem:
        click.echo(problem)
    click.echo()
    rows += due
    rows.sort(key=lambda row: (row["next"] is None, row["next"]))
    show_rows(rows, as_json=False, empty="")


def _beat_schedule() -> dict[str, Any]:
    from pipeline.celery import app

    return dict(app.conf.beat_schedule)


def _entry(name: str, entry: dict[str, Any], following: datetime | None) -> dict[str, Any]:
    rule = entry["schedule"]
    # A crontab of Celery says itself as "<crontab: 37 3 * * * (m/h/dM/MY/d)>".
    text = f"{rule:g}s" if isinstance(rule, int | float) else " ".join(str(rule).split()[1:6])
    words = describe(parse_schedule(text))
    return {"next": following, "what": f"{name} (task {entry['task']})", "when": words}


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
