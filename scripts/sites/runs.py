"""`crawlpush sites runs`: the history of crawls, over sites and time."""

from datetime import timedelta

import click

from pipeline.basics.durations import parse_duration
from pipeline.resources import now
from scripts.output import limit_option, open_database, show_rows, table_options
from storage import crawl_runs, sites


@click.command()
@click.argument("name", required=False)
@click.option("--since", metavar="TIME", help="Only runs that began within this time, such as 2h or 7d.")
@click.option("--failed", is_flag=True, help="Only runs that failed.")
@limit_option
@table_options
def runs(name: str | None, *, since: str | None, failed: bool, limit: int | None, as_json: bool) -> None:
    """List the latest crawls, of one site or of all, the newest first. They are kept for RETENTION_RUNS_DAYS."""
    seconds = parse_duration(since) if since is not None else None
    if since is not None and seconds is None:
        raise click.BadParameter(
            "a whole number and one of s, m, h, d, w is expected, such as 7d", param_hint="--since"
        )
    with open_database().reading() as session:
        site_id = None if name is None else sites.by_name(session, name).id
        begun = None if seconds is None else now() - timedelta(seconds=seconds)
        found = crawl_runs.listing(session, site_id=site_id, since=begun, failed=failed, limit=limit)
        rows = [
            {
                "run": run.id,
                "site": site,
                "began": run.started_at or run.created_at,
                "took_s": round((run.finished_at - run.started_at).total_seconds(), 1)
                if run.finished_at and run.started_at
                else None,
                "trigger": run.trigger,
                "status": run.status,
                "reason": run.finish_reason,
                "pages": run.pages,
                "seen": run.items_seen,
                "new": run.new_posts,
                "post_pages": run.post_pages,
                "error": (run.first_error or run.page_problem or "").strip().rpartition("\n")[2] or None,
            }
            for run, site in found
        ]
    narrow = ("site", "began", "took_s", "status", "pages", "seen", "new", "error")
    show_rows(rows, as_json=as_json, empty="no such crawl", narrow=narrow)
