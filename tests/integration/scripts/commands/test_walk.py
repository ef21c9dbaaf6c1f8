"""The walk of a new user: every command of `--help`, once rightly and wrongly in several ways, at 80 columns."""

import json
import re
import shlex
import unicodedata
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import Result
from rich.cells import cell_len

from scripts.cli import main
from scripts.examples import EXAMPLES
from scripts.groups import leaves
from scripts.json_answers import UNTIL_STOPPED
from storage.models import Delivery, Device, Notification
from storage.session import Database
from tests.support.builders import NOW, add_site, add_user, found, stored_posts
from tests.support.cli import Run, runner

HEAVY = ("bench", "drill")
"""They measure, and need minutes."""
STRANGE = ("99999999999999999999", "없는 사람", "--nosuch", "-1", "\x1b[31m", "")
"""What people mistype: a number too long, a name that is not there, an option, terminal codes, nothing."""
TITLE = "2026학년도 2학기 국가장학금 2차 신청 안내 및 근로장학생 모집 (학부·대학원 공통, 기한 엄수)"


COMMANDS = {path: command for path, command in leaves(main) if path not in UNTIL_STOPPED and not path.startswith(HEAVY)}


@pytest.fixture
def run(
    sqlite_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]
) -> Run:
    """Run `crawlpush` on an 80 columns wide screen, where Korean people, posts and pushes are stored."""
    configure(DATABASE_URL=sqlite_url, REDIS_URL=redis_url, COLUMNS="80")
    monkeypatch.chdir(tmp_path)
    with closing(Database(sqlite_url)) as database, database.writing() as session:
        # Nothing listens there.
        site = add_site(session, "notices", params={"url": "http://127.0.0.1:9/공지", "row": "tr"}, allow_private=True)
        user = add_user(session, "minji", "국가장학금", "근로장학", platform="fcm")
        (post_id,) = stored_posts(session, site, [found(1, TITLE, author="학생지원팀")])
        sent = Notification(post_id=post_id, user_id=user.id, status="failed", created_at=NOW, next_attempt_at=NOW)
        session.add(sent)
        session.flush()
        device = session.query(Device).one()
        session.add(
            Delivery(
                notification_id=sent.id,
                device_id=device.id,
                platform="fcm",
                status="failed",
                code="UNREGISTERED",
                detail="기기가 없습니다 " * 20,
                at=NOW,
            )
        )
    for name, text in {
        "users.csv": "user,timezone\n지우,Asia/Seoul\n",
        "devices.csv": "user,platform,token\nminji,fcm," + "d" * 140 + "\n",
        "subscriptions.csv": "user,phrase\nminji,기숙사\n",
        "sites.toml": '[sites.other]\nspider = "feed"\nurl = "https://board.test/feed"\n',
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return runner()


def assert_said_in_words(result: Result) -> None:
    """An exit code of the table in docs/command-line.md, and no traceback."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    assert result.exit_code in {0, 1, 2}, result.output
    assert "Traceback" not in result.output
    assert not re.search(r"\b\w+(Error|Exception)\b(?!:? is)", result.output), result.output


@pytest.mark.parametrize("path", COMMANDS)
def test_the_example_of_each_command_is_answered_in_words(run: Run, path: str) -> None:
    words = shlex.split(EXAMPLES.get(path, EXAMPLES["users remove"]))
    # Of these the example runs until it is stopped, or waits for workers that are not there.
    words = {"status": [], "doctor": ["--wait", "0.1", "--no-clock"]}.get(path, words)
    result = run(*path.split(), *words, code=None)
    assert_said_in_words(result)
    assert run(*path.split(), "--help")


@pytest.mark.parametrize("path", [path for path in COMMANDS if path.split()[-1] in {"list", "runs"}])
def test_no_line_of_a_list_is_wider_than_the_screen(run: Run, path: str) -> None:
    result = run(*path.split(), code=None)
    assert result.exit_code == 0, result.output
    assert max(map(cell_len, result.output.splitlines())) <= 80


@pytest.mark.full
@pytest.mark.parametrize("path", COMMANDS)
def test_what_is_mistyped_is_answered_in_words(run: Run, path: str) -> None:
    command = COMMANDS[path]
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    options = [each.opts[-1] for each in command.params if isinstance(each, click.Option) and not each.is_flag]
    typed = [[value] * max(len(arguments), 1) for value in STRANGE]
    # Those that fetch a page start a process each time.
    typed += (
        []
        if path in {"sites try", "sites add", "sites record", "sites repair", "crawl"}
        else [[*(["1"] * len(arguments)), option, value] for option in options for value in STRANGE[:2]]
    )
    for words in typed:
        assert_said_in_words(run(*path.split(), *words, code=None))


def test_a_notification_is_shown_as_the_phone_shows_it(run: Run) -> None:
    said = run("notifications", "show", "1").output
    assert f"title              {TITLE}" in said
    assert "notices" in said
    assert "fcm failed UNREGISTERED" in said
    run("notifications", "show", "99", code=1)


MATCHES = {
    "devices list": ("MINJI", "sora"),
    "notifications list": ("국가장학금", "기숙사"),
    "posts list": ("근로장학생", "%"),
    "sites list": ("공지", "게시판"),
    "sites runs": ("notices", "other"),
    "subscriptions list": ("근로장학", "_"),
    "users list": ("min", "sora"),
}
"""A text that a row of each list holds, and one that none does."""


@pytest.mark.parametrize("path", MATCHES)
def test_a_list_is_looked_through_by_text_id_and_time(run: Run, path: str) -> None:
    there, nowhere = MATCHES[path]
    name = {"sites list": "notices", "users list": "minji"}.get(path, "1")

    def count(*words: str) -> int:
        result = run(*path.split(), *words, "--json", code=None)
        assert result.exit_code == 0, result.output
        return len(json.loads(result.stdout))

    every = count()
    for words, shown in {
        ("--match", there): True,
        ("--match", unicodedata.normalize("NFD", there)): True,
        ("--match", nowhere): False,
        ("--after", "1999-01-01"): True,
        ("--since", "2999-01-01"): False,
        ("--before", "2999-01-01 09:00"): True,
        ("--before", name): False,
    }.items():
        assert bool(count(*words)) is shown, words
    assert count("--after", name) == every - 1
