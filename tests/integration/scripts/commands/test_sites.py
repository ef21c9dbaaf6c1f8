"""`crawlpush sites`: definitions that are added, changed, exported and imported. No page is fetched."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from pipeline.resources import now
from pipeline.scheduling import heartbeat
from storage import sites
from storage.models import CrawlRun, Post, Site
from storage.session import Database
from storage.sites import Validator
from tests.support.builders import add_site, found, stored_posts
from tests.support.cli import Run, crawlpush, runner

LISTING = ("--url", "https://board.test/list", "--row", "tr", "--no-check")


@pytest.fixture
def run(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command, which must end with the exit code `code`."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    return runner("sites")


@pytest.fixture
def site(sqlite_url: str) -> Callable[..., Site]:
    """The stored site of a name, with the given columns written first."""

    def load(name: str = "board", **columns: Any) -> Site:
        database = Database(sqlite_url)
        with database.writing() as session:
            found = sites.by_name(session, name)
            for column, value in columns.items():
                setattr(found, column, value)
        database.close()
        return found

    return load


def test_what_is_exported_imports_without_a_change(run, tmp_path):
    file = str(tmp_path / "sites.toml")
    run("add", "board", *LISTING, "--schedule", "adaptive 5m-2h", "--timezone", "Asia/Seoul", "-p", "skip=.ad")
    run("add", "--from", "lobsters-newest", "--no-check", "--active-hours", "08:00-22:00", "--max-age", "2w")
    run("export", file)
    first = Path(file).read_text()
    assert 'schedule = "adaptive 5m-2h"' in first
    assert "2 sites in the file, 2 of them unchanged" in run("import", file).output

    # Into an empty installation it gives the same sites, and the second time nothing
    for name in ("board", "lobsters-newest"):
        run("remove", name, "--yes")
    assert "board: is new" in run("import", file).output
    assert "2 of them unchanged" in run("import", file).output
    assert run("export").output == first


def test_an_import_says_what_it_changes_and_with_check_changes_nothing(run, tmp_path):
    run("add", "board", *LISTING)
    run("add", "other", *LISTING)
    file = tmp_path / "sites.toml"
    file.write_text('[sites.board]\nspider = "feed"\nurl = "https://board.test/feed"\nschedule = "0 9 * * *"\n')
    said = run("import", str(file), "--check").output
    assert "board: changes spider, params, schedule; the next crawl is a silent baseline" in said
    assert "1 other sites stay as they are" in said
    assert "nothing was changed" in said
    assert run("import", str(file), "--check").output == said
    assert "board: changes" in run("import", str(file)).output
    assert "1 of them unchanged" in run("import", str(file)).output


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[sites.a]\nspider = "feed"\nurl = "https://a.test/"\nschedule = "0 25 * * *"', "site 'a': the hour field"),
        ('[sites.a]\nspider = "feed"\nurl = "https://a.test/"\nactive_hours = "8-9"', "site 'a': the active hours"),
        ('[sites.a]\nspider = "feed"', "site 'a': the parameter url is missing"),
    ],
)
def test_one_wrong_line_imports_nothing(run, tmp_path, text, sentence):
    file = tmp_path / "sites.toml"
    file.write_text(f'[sites.good]\nspider = "feed"\nurl = "https://a.test/"\n{text}\n')
    assert sentence in run("import", str(file), code=1).output
    assert json.loads(run("list", "--json").stdout) == []


def test_a_change_of_how_a_page_is_read_fetches_it_anew(run, site, sqlite_url):
    # Given a site whose page answers 304, and which is suspended
    run("add", "board", *LISTING)
    later = now() + timedelta(hours=3)
    board = site(baseline_done=True, suspended_until=later, next_crawl_at=later, failures=5)
    database = Database(sqlite_url)
    with database.writing() as session:
        page = {"https://board.test/list": Validator(etag="x", last_modified=None)}
        sites.keep_validators(session, board.id, page, now=now())

    # A change of the rhythm forgets nothing
    run("set", "board", "--schedule", "1h", "--ttl", "1d")
    with database.reading() as session:
        assert sites.validators(session, board.id, since=now() - timedelta(hours=1))
    board = site()
    assert (board.schedule, board.ttl_s, board.suspended_until) == ("1h", 86_400, later)

    # A change of the selectors does, and the site is crawled at once
    said = run("set", "board", "--title", "td a", "-p", "skip=.ad", "--no-check").output
    assert "board: changes params" in said
    assert "baseline" not in said
    with database.reading() as session:
        assert sites.validators(session, board.id, since=now() - timedelta(hours=1)) == {}
    board = site()
    assert (board.baseline_done, board.suspended_until) == (True, None)
    assert board.next_crawl_at <= now()
    assert board.params == {"url": "https://board.test/list", "row": "tr", "title": "td a", "skip": ".ad"}

    # Another address shows posts that look new: nobody is to hear of all of them
    assert "silent baseline" in run("set", "board", "--url", "https://other.test/", "-p", "skip=", "--no-check").output
    assert site().baseline_done is False
    assert "skip" not in site().params
    site(baseline_done=True)
    run("set", "board", "--url", "https://board.test/", "--notify-existing", "--no-check")
    assert site().baseline_done is True
    assert "nothing changes" in run("set", "board").output
    database.close()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "Board", *LISTING), "site 'Board': a name is at most 64 small letters"),
        (("add", "b", "--url", "https://b.test/"), "the parameter row is missing"),
        (("add", "b", *LISTING, "--timezone", "Seoul"), "'Seoul' is not an IANA time zone"),
        (("add", "b", *LISTING, "-p", "rows"), "--param 'rows' is not of the form NAME=VALUE"),
        (("add", "b", *LISTING, "--schedule", "5 apples"), "the schedule '5 apples' has 2 fields"),
        (("add", "board", *LISTING), "a site named 'board' exists already"),
        (("add", "--from", "nowhere"), "there is no ready-made site 'nowhere': there are arxiv-cs-cl"),
        (("set", "nowhere"), "there is no site named 'nowhere'"),
        (("set", "board", "-p", "rwo=tr"), "there is no parameter 'rwo'"),
        (("schedule", "board", "61s 2"), "has 2 fields"),
        (("schedule", "board", "adaptive 2h-5m"), "upside down"),
    ],
)
def test_a_wrong_definition_is_refused_in_one_sentence(run, arguments, sentence):
    run("add", "board", *LISTING)
    said = run(*arguments, code=1).output
    assert sentence in said
    assert "Traceback" not in said


def test_a_schedule_is_set_and_said_in_the_sites_own_time(run, site):
    run("add", "board", *LISTING, "--timezone", "Asia/Seoul")
    said = run("schedule", "board", "0 9 * * mon-fri").output.splitlines()
    assert said[0] == "board: at 09:00, on Monday to Friday. The next runs:"
    assert len(said) == 6
    assert all(line.endswith("09:00:00 KST") for line in said[1:])
    run("schedule", "board", "adaptive", "--floor", "300s", "--ceiling", "2h")
    assert site().schedule == "adaptive 5m-2h"
    run("schedule", "board", "1h", "--floor", "5m", code=2)
    shown = json.loads(run("show", "board", "--json").stdout)
    assert shown["adaptive_now"] == "every 5 minutes"


def test_a_schedule_for_a_site_that_is_off_does_not_make_it_due(run, site):
    run("add", "board", *LISTING)
    run("disable", "board")
    assert "not watched" in run("schedule", "board", "20s").output
    assert site().next_crawl_at is None


@pytest.mark.parametrize(
    ("word", "fanout", "sent", "said"),
    [("release", "ready", [1], "Push 1 held posts of board to whom they match?"), ("drop", "dropped", [], "to nobody")],
)
def test_held_posts_are_settled_after_a_question(run, sqlite_url, monkeypatch, word, fanout, sent, said):
    enqueued: list[int] = []
    monkeypatch.setattr("pipeline.tasks.fanout.enqueue_fan_outs", enqueued.extend)
    with closing(Database(sqlite_url)) as database, database.writing() as session:
        site = add_site(session, "board")
        assert stored_posts(session, site, [found(1)], fanout="held") == []
    assert said in run(word, "board", code=1).output
    assert "nothing was done" in run(word, "board", "--dry-run").output
    run(word, "board", "--yes")
    with closing(Database(sqlite_url)) as database, database.reading() as session:
        assert [(post.id, post.fanout) for post in session.query(Post)] == [(1, fanout)]
    assert enqueued == sent
    assert run(word, "board").output == "nothing of board is held\n"


def test_a_site_in_trouble_is_shown_with_its_skipped_runs(run, site):
    run("add", "board", *LISTING)
    site(trouble="broken", trouble_since=now(), failures=4, skipped_runs=2, suspended_until=now() + timedelta(hours=1))
    shown = json.loads(run("show", "board", "--json").stdout)
    assert (shown["health"], shown["skipped_runs"], shown["failures_in_a_row"]) == ("broken", 2, 4)
    assert shown["in_trouble_since"]
    # Switching it off and on again forgives what was.
    run("disable", "board")
    run("enable", "board")
    shown = json.loads(run("show", "board", "--json").stdout)
    assert (shown["health"], shown["in_trouble_since"], shown["suspended_until"]) == ("new", None, None)


def test_the_ready_made_definitions_are_listed(run):
    rows = json.loads(run("ready-made", "--json").stdout)
    assert {"hackernews-newest", "konkuk-student-notices"} <= {row["name"] for row in rows}


def test_the_doctor_says_that_beat_is_gone_and_that_nobody_can_be_written_to(redis_url, monkeypatch):
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    result = crawlpush("doctor", "crawling", code=1)
    assert "beat is not running" in result.output
    assert "CRAWL_CONTACT is not set" in result.output
    with Redis.from_url(redis_url) as client:
        heartbeat.record(client, at=now(), upcoming={})
    result = crawlpush("doctor", "crawling")
    assert "beat is alive" in result.output


def test_the_history_of_runs_over_sites_and_time(run, sqlite_url):
    at = now()
    database = Database(sqlite_url)
    with database.writing() as session:
        for name, ago, status in (("a", 1, "finished"), ("b", 2, "failed"), ("[/b]", 30, "failed")):
            site = sites.add(session, name=name, spider="listing", now=at)
            made = session.get_one(
                CrawlRun, sites.queue_run(session, site.id, trigger="beat", now=at - timedelta(hours=ago))
            )
            made.status, made.first_error = status, "Traceback\nValueError: [bold]no"
    database.close()

    def listed(*arguments: str) -> list[str]:
        return [row["site"] for row in json.loads(run("runs", "--json", *arguments).stdout)]

    assert listed() == ["[/b]", "b", "a"]
    assert listed("a") == ["a"]
    assert listed("--since", "3h") == ["b", "a"]
    assert listed("--failed", "--limit", "1") == ["[/b]"]
    assert "--since" in run("runs", "--since", "soon", code=2).output
    assert "no site named 'c'" in run("runs", "c", code=1).output
    # What comes from outside is shown as it is.
    assert "[/b]" in (table := run("runs").output)
    assert "ValueError: [bold]no" in table


def test_an_interval_that_would_not_be_kept_is_refused(run, monkeypatch):
    assert "every 15 s" in run("add", "board", *LISTING, "--schedule", "3s", code=1).output
    run("add", "board", *LISTING, "--schedule", "15s")
    assert "lower TICK_S" in run("schedule", "board", "14s", code=1).output
    assert "lower TICK_S" in run("schedule", "board", "adaptive 5s-1h", code=1).output
    monkeypatch.setenv("TICK_S", "3")
    run("schedule", "board", "3s")


def test_an_address_without_a_scheme_is_understood(run, site):
    run("add", "board", "--url", "www.board.test/list", "--row", "tr", "--no-check")
    assert site().params["url"] == "https://www.board.test/list"
    assert "nothing changes" in run("set", "board", "--url", "www.board.test/list", "--no-check").output


SECRET = "https://reader:s3cret-pw@board.test/list"


def test_a_password_in_an_address_is_shown_nowhere(run, site, tmp_path):
    # Given a site with a password, and files of its definition, masked and not
    run("add", "board", "--url", SECRET, "--row", "tr", "--no-check")
    assert site().params["url"] == SECRET
    shown = [
        run(*command).output
        for command in (["list", "--json"], ["show", "board"], ["show", "board", "--json"], ["export"])
    ]
    shown.append(run("set", "board", "--url", SECRET.replace("https:", "gopher:"), code=1).output)
    shown.append(run("set", "board", "-p", f"page_template={SECRET}", code=1).output)
    for text in shown:
        assert "s3cret-pw" not in text
        assert "board.test/list" in text
    masked, whole = tmp_path / "masked.toml", tmp_path / "whole.toml"
    run("export", str(masked))
    run("export", "--with-passwords", str(whole))

    # Then the masked one changes nothing here, and cannot make the site anew; the other one can
    assert "1 of them unchanged" in run("import", str(masked)).output
    assert site().params["url"] == SECRET
    run("remove", "board", "--yes")
    assert "write the password itself" in run("import", str(masked), code=1).output
    run("import", str(whole))
    assert site().params["url"] == SECRET


def test_another_password_is_no_reason_for_a_new_baseline(run, site):
    run("add", "board", "--url", SECRET, "--row", "tr", "--no-check")
    site(baseline_done=True)
    run("set", "board", "--url", SECRET.replace("s3cret", "another"), "--no-check")
    assert site().baseline_done
    run("set", "board", "--url", "https://reader:***@board.test/other", "--no-check")
    assert site().params["url"] == "https://reader:another-pw@board.test/other"


def test_a_site_without_a_zone_has_that_of_the_installation_and_an_export_tells_it(run, site, tmp_path, monkeypatch):
    run("add", "older", *LISTING)
    monkeypatch.setenv("SITE_TIMEZONE", "Asia/Seoul")
    said = run("add", "board", *LISTING, "--schedule", "0 9 * * *").output
    assert "at 09:00 every day in Asia/Seoul" in said
    file = tmp_path / "sites.toml"
    file.write_text('[sites.other]\nspider = "feed"\nurl = "https://board.test/feed"\n')
    run("import", str(file))
    assert [site(name).timezone for name in ("older", "board", "other")] == ["UTC", "Asia/Seoul", "Asia/Seoul"]
    # Where another zone is the usual one, all three are as they were here.
    run("export", str(file))
    assert file.read_text().count("timezone = ") == 3
