"""`crawlpush sites runs`: the history of crawls, over sites and time."""

import click

from scripts.lists import cut, list_options
from scripts.output import open_database, show_rows
from storage import crawl_runs, sites
from storage.models import CrawlRun
from storage.parts import Part, conditions


@click.command()
@click.argument("name", required=False)
@click.option("--failed", is_flag=True, help="Only runs that failed.")
@list_options()
def runs(name: str | None, *, failed: bool, part: Part, as_json: bool) -> None:
    """List the latest crawls, of one site or of all, the newest first. They are kept for RETENTION_RUNS_DAYS."""
    with open_database().reading() as session:
        which = conditions(session, CrawlRun, part)
        if name is not None:
            which.append(CrawlRun.site_id == sites.by_name(session, name).id)
        if failed:
            which.append(CrawlRun.status == "failed")
        found = crawl_runs.listing(session, *which, limit=part.limit)
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
        rest = cut(session, CrawlRun, part, rows, *which, newest_first=True)
    narrow = ("site", "began", "took_s", "status", "pages", "seen", "new", "error")
    show_rows(rows, as_json=as_json, empty="no such crawl", narrow=narrow, cut=rest)
