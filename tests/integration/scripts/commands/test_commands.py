"""Commands as their user types them: what they print, their exit codes, and what a mistake leaves behind."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from rich.cells import cell_len
from sqlalchemy import func, select

from pipeline import resources
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.board.process import BoardProcess
from scripts.cli import main
from scripts.local.embedded_redis import free_port
from scripts.output import local_time
from storage import sites
from storage.models import Base, CrawlRun, Site
from storage.session import Database
from tests.support.cli import Run, crawlpush


@pytest.fixture
def run(sqlite_url: str, redis_url: str, configure: Callable[..., None]) -> Run:
    """Run `crawlpush` on a migrated database; `code` is the exit code that is expected."""
    configure(DATABASE_URL=sqlite_url, REDIS_URL=redis_url, CRAWL_DELAY_S="0")
    return crawlpush


@pytest.fixture
def database(sqlite_url: str) -> Database:
    return Database(sqlite_url)


def refused(run: Run, *arguments: str, code: int = 1) -> str:
    """The sentence with which a command refuses: one line that is meant for a person."""
    output = run(*arguments, code=code).output.strip()
    sentence: str = output.splitlines()[-1]
    assert sentence.startswith("Error: ")
    return sentence


def rows(database: Database) -> int:
    with database.reading() as session:
        return sum(session.scalar(select(func.count()).select_from(t)) or 0 for t in Base.metadata.sorted_tables)


LISTING = ("sites", "add", "x", "--spider", "listing", "--row", "tr", "--title", "a", "--url")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("crawl", "nowhere"), "no site named 'nowhere'"),
        (("sites", "show", "nowhere"), "no site named 'nowhere'"),
        (("sites", "remove", "nowhere", "--yes"), "no site named 'nowhere'"),
        (("sites", "add", "x", "--url", "https://board.test"), "row"),
        (("sites", "add", "x y", "--spider", "feed", "--url", "https://board.test"), "x y"),
        (("sites", "add", "x", "--spider", "feed", "--url", "ftp://board.test"), "http or https"),
        ((*LISTING, "https://board.test", "--schedule", "whenever", "--no-check"), "whenever"),
        ((*LISTING, "https://board.test", "--timezone", "Mars/Olympus", "--no-check"), "Asia/Seoul"),
        ((*LISTING, "https://board.test", "-p", "colour=red", "--no-check"), "colour"),
        ((*LISTING, "https://board.test", "-p", "colour", "--no-check"), "NAME=VALUE"),
        (("sites", "add", "x", "--row", "tr[", "--title", "a", "--url", "https://board.test"), "tr["),
        (("users", "show", "nobody"), "no user 'nobody'"),
        (("users", "add", ""), "1 to 255"),
        (("users", "add", "x", "--timezone", "Mars/Olympus"), "Asia/Seoul"),
        (("devices", "add", "nobody", "--platform", "fcm", "--token", "t"), "no user 'nobody'"),
        (("devices", "remove", "7"), "no device 7"),
        (("subscriptions", "add", "nobody", "장학"), "no user 'nobody'"),
        (("subscriptions", "add", "nobody", "a"), "'a'"),
        (("subscriptions", "remove", "7"), "no subscription 7"),
        (("posts", "show", "7"), "no post 7"),
        (("posts", "refan", "7"), "no post 7"),
        (("notifications", "read", "nobody"), "no user 'nobody'"),
        (("match", "--title", "x", "--site", "nowhere"), "no site named 'nowhere'"),
        (("pause", "crawl", "--site", "nowhere"), "no site named 'nowhere'"),
        (("resume", "all", "--site", "nowhere"), "no site named 'nowhere'"),
    ],
)
def test_a_mistake_gets_one_sentence_and_changes_nothing(run, database, arguments, words):
    before = rows(database)
    assert words in refused(run, *arguments)
    assert rows(database) == before


@pytest.mark.parametrize("text", ["", "   ", "a", '"', "x" * 101])
def test_a_phrase_that_cannot_be_matched_is_refused_with_the_reason(run, text):
    run("users", "add", "minji")
    assert "phrase" in refused(run, "subscriptions", "add", "minji", text)
    assert json.loads(run("subscriptions", "list", "--json").stdout) == []


def test_an_address_where_nobody_answers_is_named(run, database):
    url = f"http://127.0.0.1:{free_port()}/board"
    sentence = refused(run, *LISTING, url, "--allow-private")
    assert url in sentence
    assert "refused" in sentence
    with database.reading() as session:
        assert session.scalars(select(Site)).all() == []


def test_without_a_database_schema_the_way_out_is_named(run, empty_sqlite_url, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", empty_sqlite_url)
    assert "crawlpush db upgrade" in refused(run, "sites", "list")


def test_a_database_that_is_not_there_is_named_without_its_password(run, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", f"postgres://me:hunter2@127.0.0.1:{free_port()}/db")
    sentence = refused(run, "sites", "list")
    assert "DATABASE_URL" in sentence
    assert "hunter2" not in sentence


def test_a_redis_that_is_not_there_is_named_with_the_way_out(run, monkeypatch):
    run(*LISTING, "https://board.test", "--no-check")
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}")
    assert "scripts/start" in refused(run, "crawl", "x")


def test_a_wrong_setting_is_named(run, monkeypatch):
    monkeypatch.setenv("CRAWL_CONCURRENCY", "many")
    assert "CRAWL_CONCURRENCY" in refused(run, "sites", "list")


def test_adding_twice_is_refused(run):
    run("users", "add", "minji")
    assert "exists already" in refused(run, "users", "add", "minji")
    run(*LISTING, "https://board.test", "--no-check")
    assert "exists already" in refused(run, *LISTING, "https://board.test", "--no-check")


def test_a_device_token_moves_with_its_phone_and_is_never_printed(run):
    token = "d7xS3cr3t" * 10
    run("users", "add", "minji")
    run("users", "add", "james")
    said = run("devices", "add", "minji", "--platform", "fcm", "--token", token).output
    said += run("devices", "add", "james", "--platform", "fcm", "--token", token).output
    listed = run("devices", "list", "--json").output
    assert [device["user"] for device in json.loads(listed)] == ["james"]
    assert "another user's before" in said
    assert token not in said + listed + run("users", "show", "james").output


@pytest.fixture
def board() -> Any:
    with BoardProcess(every=0) as board:
        yield board


def add_board(run: Run, board: BoardProcess, *options: str) -> str:
    params = board.listing_params()
    url, zone = params.pop("url"), params.pop("timezone", "UTC")
    pairs = [f"--param={name}={value}" for name, value in params.items()]
    return run(*("sites", "add", "board", "--url", url, "--timezone", zone, "--allow-private", *pairs, *options)).output


def test_a_site_is_checked_added_crawled_and_seen_in_every_list(run, board):
    assert "posts on the page" in add_board(run, board)
    first = run("crawl", "board").output
    assert "silent baseline" in first
    board.add_post("새 장학 공지")
    again = json.loads(run("crawl", "board", "--json").stdout)
    assert [post["title"] for post in again] == ["새 장학 공지"]
    assert "nothing new" in run("crawl", "board").output
    (site,) = json.loads(run("sites", "list", "--json").stdout)
    assert (site["name"], site["health"]) == ("board", "well")
    shown = json.loads(run("sites", "show", "board", "--json").stdout)
    assert len(shown["runs"]) == 3
    newest = json.loads(run("posts", "list", "--json").stdout)[0]
    assert (newest["title"], newest["fanout"]) == ("새 장학 공지", "ready")
    assert "board" in run("status", code=1).output


def test_a_queued_crawl_is_a_message_for_a_crawler(run, board, database):
    add_board(run, board)
    assert "queued" in run("crawl", "board", "--queue").output
    with database.reading() as session:
        assert session.scalars(select(CrawlRun.status)).all() == ["queued"]
    assert json.loads(run("status", "--json", code=1).stdout)["queues"]["crawl_tasks"]["length"] == 1
    assert "already" in refused(run, "crawl", "board")


def test_a_fresh_crawl_asks_without_a_condition(run, board, database):
    add_board(run, board)
    with database.writing() as session:
        site_id = sites.by_name(session, "board").id
        page = {board.url: sites.Validator(etag='"1"', last_modified=None)}
        sites.keep_validators(session, site_id, page, now=now())
    run("crawl", "board", "--queue", "--fresh")
    with database.reading() as session:
        assert sites.validators(session, site_id, since=now() - timedelta(days=1)) == {}


def test_trying_posts_pages_shows_what_three_of_them_hold_and_a_definition_that_reads_none_is_refused(run, board):
    output = run("sites", "try", board.url, "--allow-private", "-p", "post_page=true").output
    assert output.count("  text: ") == 3, output
    assert "-p post_page=true" in output
    definition = ("--spider", "feed", "--allow-private", "-p", "post_body=#nothing")
    feed = f"{board.url.rpartition('/')[0]}/feed.xml"
    shown = run("sites", "try", feed, *definition).output
    assert "note: post_body, '#nothing', matches nothing on it" in shown
    assert shown.count("page: not read") == 3
    arguments = ("sites", "add", "x", "--url", feed, *definition)
    assert "none of their own pages is read: post_body, '#nothing'" in refused(run, *arguments)


def test_trying_a_page_proposes_a_definition_and_stores_nothing(run, board, database):
    output = run("sites", "try", board.url, "--allow-private").output
    assert "crawlpush sites add NAME --spider" in output
    assert rows(database) == 0


def test_a_private_address_is_refused_unless_the_site_may(run, board):
    assert "public internet" in refused(run, "sites", "try", board.url)


def test_every_command_explains_itself(run):
    def visit(command: Any, path: tuple[str, ...]) -> None:
        assert command.help or command.short_help, path
        run(*path, "--help")
        for name in getattr(command, "commands", {}):
            visit(command.commands[name], (*path, name))

    import click

    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None, name
        visit(command, (name,))


HUGE = "99999999999999999999"


@pytest.mark.parametrize(
    "arguments",
    [
        ("posts", "show", HUGE),
        ("posts", "show", "1", "--limit", HUGE),
        ("posts", "refan", HUGE),
        ("posts", "list", "--limit", HUGE),
        ("users", "list", "--limit", HUGE),
        ("devices", "remove", HUGE),
        ("devices", "list", "--limit", HUGE),
        ("subscriptions", "remove", HUGE),
        ("subscriptions", "list", "--limit", HUGE),
        ("notifications", "list", "--post", HUGE),
        ("notifications", "list", "--limit", HUGE),
        ("schedule", "--limit", HUGE),
        ("sites", "runs", "--limit", HUGE),
        ("status", "--watch", HUGE + "99999"),
    ],
    ids=" ".join,
)
def test_a_number_that_no_database_holds_is_refused(run, arguments):
    assert "is not in the range" in refused(run, *arguments, code=2)


def test_a_list_says_of_how_many_it_shows_a_part(run):
    for number in range(3):
        run("users", "add", f"user{number}")
    last = run("users", "list", "--limit", "2").output.splitlines()[-1]
    assert last == "2 of 3, --limit 0 for all, --after user1 for the next"
    # In JSON the list is a list still.
    as_json = run("users", "list", "--limit", "2", "--json")
    assert [len(json.loads(as_json.stdout)), as_json.stderr.strip()] == [2, last]
    assert "user2" in run("users", "list", *last.partition("all, ")[2].split()[:2]).output
    for limit in ("0", "3"):
        output = run("users", "list", "--limit", limit).output
        assert "user2" in output
        assert "--limit" not in output


def test_a_list_fits_80_columns_and_shows_everything_when_asked(run, board, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    add_board(run, board, "--notify-existing")
    board.add_post("아주 긴 제목 " * 20)
    run("crawl", "board")
    narrow, wide = run("posts", "list").output, run("posts", "list", "--wide").output
    assert max(map(cell_len, narrow.splitlines())) <= 80
    assert "…" in narrow
    assert " ago" in narrow
    assert ("http" in narrow, "http" in wide) == (False, True)
    assert ("아주 긴 제목 " * 20).strip() in wide
    for table in (("sites", "list"), ("sites", "runs"), ("notifications", "list")):
        lines = run(*table).output.splitlines()
        assert max(map(cell_len, lines)) <= 80, table


def test_a_list_in_a_record_has_a_line_for_each_item(run):
    run("users", "add", "minji")
    for phrase in ("장학", "취업"):
        run("subscriptions", "add", "minji", phrase)
    lines = run("users", "show", "minji").output.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("subscriptions"))
    assert "장학" in lines[at]
    assert lines[at + 1].startswith(" ")
    assert "취업" in lines[at + 1]


def test_times_are_the_machines_unless_a_zone_is_set(monkeypatch):
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    try:
        for setting, shown in ((None, "2026-07-01 21:00:00 KST"), ("Europe/Berlin", "2026-07-01 14:00:00 CEST")):
            if setting:
                monkeypatch.setenv("DISPLAY_TIMEZONE", setting)
            get_settings.cache_clear()
            assert local_time(at) == shown
    finally:
        monkeypatch.undo()
        time.tzset()
        get_settings.cache_clear()


def test_a_user_is_erased_after_a_question_that_names_what_goes(run):
    run("users", "add", "minji")
    run("subscriptions", "add", "minji", "장학")
    question = run("users", "remove", "minji", input="n\n", code=1)
    assert "Erase minji with 0 devices, 1 subscriptions, 0 notifications?" in question.output
    run("users", "show", "minji")
    run("users", "remove", "minji", "--yes")
    assert "no user 'minji'" in refused(run, "users", "show", "minji")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["users", "show", "mi"], ["mina", "minji"]),
        (["sites", "show", "no"], ["notices"]),
        (["crawl", ""], ["notices"]),
        (["posts", "list", "--site", "n"], ["notices"]),
        (["users", "show", "%"], []),
        (["users", "add", "mi"], []),
    ],
)
def test_a_shell_completes_the_names_of_sites_and_users(run, typed, offered):
    run("users", "add", "minji")
    run("users", "add", "mina")
    with resources.database().writing() as session:
        sites.add(session, name="notices", spider="feed", now=now())
    asked = ShellComplete(main, {}, "crawlpush", "_X").get_completions(typed[:-1], typed[-1])
    assert [item.value for item in asked if item.type == "plain"] == offered


def test_a_shell_is_offered_no_name_where_there_is_no_database(monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/none/x.db")
    assert ShellComplete(main, {}, "crawlpush", "_X").get_completions(["users", "show"], "m") == []


def test_a_user_says_when_and_how_often_in_words_and_a_mistake_changes_nothing(run):
    run("users", "add", "minji", "--timezone", "Asia/Seoul")
    set_user = ("users", "set", "minji")
    assert "none (default)" in run("users", "show", "minji").output
    said = run(*set_user, "--quiet-hours", "22:00-8:00", "--daily-cap", "20/day", "--urgent-passes", "--snooze", "2h")
    for words in ("22:00-08:00\n", "20 pushes\n", "ring in quiet hours too", "none (default)", "KST"):
        assert words in said.output
    for mistake, named in (
        (("--quiet-hours", "22-8"), "'22-8' is not understood"),
        (("--timezone", "Mars"), "'Mars' is not an IANA time zone"),
        (("--snooze", "until 2020-01-01 00:00"), "is over already"),
        ((), "nothing is to be changed"),
    ):
        assert named in refused(run, *set_user, *mistake, code=1 if mistake else 2)
    run(*set_user, "--quiet-hours", "default", "--snooze", "off")
    shown = json.loads(run("users", "show", "minji", "--json").stdout)
    assert (shown["quiet_hours"], shown["daily_cap"], shown["snooze_until"]) == ("none", 20, None)
    assert shown["defaults"] == ["quiet_hours", "digest"]
