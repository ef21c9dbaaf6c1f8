"""`crawlpush pause` and `resume` with the processes of the Procfile, and what the phones get."""

import pytest
from sqlalchemy import select

from storage.models import CrawlRun, Notification, Post
from tests.acceptance.installation import Installation, token_of
from tests.acceptance.test_pipeline import PHRASE, TITLE, finished_runs, make_due, statuses

PHONE = token_of("minji", "fcm")


def _baseline(installation: Installation) -> None:
    installation.add_board("board", "--schedule", "1h")
    installation.add_user("minji", PHRASE, "fcm")
    installation.start()
    installation.wait_until_ready()
    installation.wait_until(lambda: finished_runs(installation) == 1, "the baseline crawl")


def _held(installation: Installation) -> bool:
    with installation.database.reading() as session:
        reasons = session.scalars(select(Notification.reason).where(Notification.status == "pending")).all()
    return reasons == ["push waits: paused by an operator"]


# Every day without processes: tests/integration/pipeline/delivery/test_operator_pauses.py
@pytest.mark.full
def test_a_post_that_appears_while_pushes_are_paused_is_pushed_once_when_they_are_resumed(
    sqlite_installation: Installation,
) -> None:
    # Given a pause of the pushes
    installation = sqlite_installation
    _baseline(installation)
    installation.command("pause", "push")

    # When a post appears, then it is found and matched, and its notification waits
    installation.board.add_post(TITLE)
    make_due(installation)
    installation.wait_until(lambda: _held(installation), "the notification, held")
    assert installation.sends() == 0

    # And a restart does not forget the pause
    installation.terminate()
    installation.start()
    installation.wait_until_ready()
    assert _held(installation)
    assert installation.sends() == 0

    # When they are resumed, then the phone rings once
    assert "1 notifications waited" in installation.command("resume", "push")
    installation.wait_until(lambda: statuses(installation) == ["sent"], "the push")
    assert installation.shown() == {(PHONE, TITLE): 1}
    assert installation.sends() == 1


def test_a_crawl_that_runs_is_broken_off_by_a_pause_and_done_after_it(sqlite_installation: Installation) -> None:
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
    installation.wait_until(lambda: _run_statuses(installation) == ["queued"], "the run, handed back", seconds=60)
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
