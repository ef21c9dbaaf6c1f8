"""`crawlpush pause` and `resume` with the processes of the Procfile, and what the phones get."""

from sqlalchemy import select

from storage.models import CrawlRun, Post
from tests.acceptance.installation import Installation


def test_a_crawl_that_runs_is_broken_off_by_a_pause_and_done_after_it(sqlite_installation):
    # Given a crawl that takes so long that nobody on a busy machine comes too late for it
    installation = sqlite_installation
    installation.environment["CRAWL_DELAY_S"] = "45"
    installation.add_board("board", "--schedule", "1h", "-p", "max_pages=3")
    for number in range(40):
        installation.board.add_post(f"공지 {number}")
    installation.start("crawler", "dispatcher", "beat")
    installation.wait_until(lambda: _run_statuses(installation) == ["running"], "a running crawl")

    # When its site is paused, then it ends without a decision, and no other begins
    installation.command("pause", "crawl", "--site", "board")
    installation.wait_until(lambda: _run_statuses(installation) == ["queued"], "the run, handed back")
    with installation.database.reading() as session:
        assert set(session.scalars(select(Post.fanout))) <= {"undecided"}
    assert installation.logged("crawler", "crawl paused: site=board") == 1

    # When it is resumed, then the same run is done
    installation.environment["CRAWL_DELAY_S"] = "0"
    installation.terminate("crawler")
    installation.start("crawler")
    installation.command("resume", "crawl", "--site", "board")
    installation.wait_until(lambda: _run_statuses(installation) == ["finished"], "the crawl, done again")


def _run_statuses(installation: Installation) -> list[str]:
    with installation.database.reading() as session:
        return list(session.scalars(select(CrawlRun.status).order_by(CrawlRun.id)))
