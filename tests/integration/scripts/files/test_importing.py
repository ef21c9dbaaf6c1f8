"""`users|devices|subscriptions import|export`, as somebody types them."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pipeline.people import importing
from scripts.files import importing as batches
from storage import users
from storage.models import Device, Subscription, User
from storage.session import Database
from tests.support.builders import NOW
from tests.support.cli import Run, crawlpush

TOKEN = "tok-" + "x" * 60
INTO = ("subscriptions", "import", "-", "--format", "jsonl", "--add-users")


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    return crawlpush


def imported(result: Result) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(result.stdout)
    return found


def counts(url: str) -> list[int]:
    database = Database(url)
    with database.reading() as session:
        found = [session.scalar(select(func.count()).select_from(table)) or 0 for table in (User, Device, Subscription)]
    database.close()
    return found


def reasons(file: str = "import.rejected.jsonl") -> list[tuple[int, str]]:
    return [(line["line"], line["reason"]) for line in map(json.loads, Path(file).read_text().splitlines())]


def lines(*records: Mapping[str, Any]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def people(count: int) -> str:
    return lines(*({"user": f"user-{number}"} for number in range(count)))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_export_is_an_import(run, database_url, kind):
    run(
        "users",
        "import",
        "-",
        "--format",
        "jsonl",
        input=lines(
            {
                "user": "민지",
                "timezone": "Asia/Seoul",
                "quiet_hours": "22:00-8:00; weekends 0:00-24:00",
                "digest": "none",
                "daily_cap": 20,
                "urgent_passes": True,
                "snooze_until": "2026-12-01T09:00+09:00",
            },
            {"user": 7, "daily_cap": "none"},
        ),
    )
    # As an iPhone prints it; what is kept and exported is the one form of it
    printed = f"<{'AB12CD34 ' * 8}>"
    devices = lines({"user": "민지", "platform": "apns", "token": printed, "environment": "sandbox"})
    run("devices", "import", "-", "--format", "jsonl", input=devices)
    wanted = lines(
        {"user": "민지", "phrase": '"국가 장학금" 신청', "exclude": ["마감", "취소, 연기"], "body": True},
        {"user": "7", "phrase": "node.js", "kind": "substring", "pace": "daily"},
        {"user": "7", "phrase": "알바|아르바이트", "title_only": True},
    )
    run("subscriptions", "import", "-", "--format", "jsonl", input=wanted)
    before = {}
    for topic in ("users", "devices", "subscriptions"):
        run(topic, "export", f"{topic}.{kind}")
        before[topic] = Path(f"{topic}.{kind}").read_bytes()
        assert Path(f"{topic}.{kind}").stat().st_mode & 0o777 == 0o600
    for user in ("민지", "7"):
        run("users", "forget", user, "--yes")
    assert counts(database_url) == [0, 0, 0]
    for topic, content in before.items():
        assert imported(run(topic, "import", f"{topic}.{kind}", "--json"))["rejected"] == 0
        run(topic, "export", f"{topic}.{kind}")
        assert Path(f"{topic}.{kind}").read_bytes() == content


def test_bad_lines_are_reported_by_number_and_the_others_are_stored(run, database_url):
    bad = b'\xff\xfe\n[]\n{"user": ""}\n{"user": "a", "color": 1}\n{"user": "a", "timezone": "Mars/X"}\n{\n\n'
    Path("u.jsonl").write_bytes(b'{"user": "first"}\n' + bad + b'{"user": "last"}')
    result = run("users", "import", "u.jsonl", "--json", code=1)
    found = imported(result)
    assert (found["added"], found["rejected"], found["rejected_file"]) == (2, 6, "u.jsonl.rejected.jsonl")
    assert [line for line, _ in reasons("u.jsonl.rejected.jsonl")] == [2, 3, 4, 5, 6, 7]
    assert counts(database_url)[0] == 2


def test_bad_lines_of_a_csv_file_are_reported_by_number(run, database_url):
    content = 'user,phrase,exclude\na,장학,"마감\n취소"\na,x\nb,node.js,\n"c,unfinished\n'
    run("subscriptions", "import", "-", "--format", "csv", "--add-users", input=content, code=1)
    assert [line for line, _ in reasons()] == [4, 6]
    assert counts(database_url) == [2, 0, 2]


@pytest.mark.parametrize("header", ["", "name,phrase", "user,user", "phrase"])
def test_a_csv_file_whose_header_says_nothing_is_refused_as_a_whole(run, header):
    result = run("subscriptions", "import", "-", "--format", "csv", input=f"{header}\na,b\n", code=1)
    assert "first line of a CSV file names its columns" in result.output


def test_nothing_says_a_token(run):
    broken = lines(
        {"user": "nobody", "platform": "fcm", "token": TOKEN},
        {"user": "a", "platform": TOKEN[:3], "token": TOKEN},
        {"user": "a", "platform": "fcm", "token": TOKEN + " "},
        {"user": "a", "platform": "fcm", "token": TOKEN, TOKEN[:0] + "extra": 1},
    )
    result = run("devices", "import", "-", "--format", "jsonl", input=broken, code=1)
    assert len(reasons()) == 4
    assert TOKEN not in result.output + Path("import.rejected.jsonl").read_text()


def test_a_dry_run_says_the_same_and_keeps_nothing(run, database_url):
    records = [{"user": "a", "phrase": "장학"}, {"user": "a", "phrase": "!"}]
    content = lines(*records)
    dry = imported(run(*INTO, "--dry-run", "--json", input=content, code=1))
    assert (dry["added"], dry["kept"]) == (1, False)
    assert counts(database_url) == [0, 0, 0]


def test_an_import_that_was_stopped_goes_on(run, database_url, monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 10)
    Path("u.jsonl").write_text(people(35))
    real = importing._store

    def stop(_database: object, _importer: object, entries: Sequence[Any], **_: object) -> Any:
        if entries[0].user == "user-20":
            raise KeyboardInterrupt
        return real(_database, _importer, entries, **_)  # type: ignore[arg-type]

    monkeypatch.setattr(importing, "_store", stop)
    stopped = run("users", "import", "u.jsonl", code=1)
    assert "--from-line 21" in stopped.output
    assert counts(database_url)[0] == 20
    monkeypatch.setattr(importing, "_store", real)
    assert imported(run("users", "import", "u.jsonl", "--from-line", "21", "--json"))["added"] == 15
    again = imported(run("users", "import", "u.jsonl", "--json"))
    assert (again["added"], again["there_already"]) == (0, 35)


def test_a_limit_of_subscriptions_refuses_the_rest(run, monkeypatch, database_url):
    monkeypatch.setenv("SUBSCRIPTIONS_PER_USER", "2")
    content = lines(*({"user": "a", "phrase": f"phrase{number}"} for number in range(4)))
    run(*INTO, input=content, code=1)
    assert [line for line, _ in reasons()] == [3, 4]
    assert counts(database_url)[2] == 2


def test_a_file_of_unknown_format_asks_for_it(run):
    Path("people").write_text(people(1))
    result = run("users", "import", "people", code=1)
    assert "--format" in result.output


def test_a_backup_is_restored_by_the_commands(sqlite_url, monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    copy = str(tmp_path / "copy.db")

    def change(what: Callable[[Session], object]) -> None:
        database = Database(sqlite_url)
        with database.writing() as session:
            what(session)
        database.close()

    change(lambda session: users.add(session, "minji", timezone="UTC", now=NOW))
    crawlpush("db", "backup", copy)
    change(lambda session: users.forget(session, "minji"))
    crawlpush("db", "restore", copy, "--force")
    change(lambda session: users.by_external_id(session, "minji"))


def test_prune_says_what_it_would_remove_and_then_removes_it(run, database_url):
    run(*INTO, input=lines({"user": "a", "phrase": "장학"}))
    run("users", "forget", "a", "--yes")
    for arguments, removed in ((["--dry-run"], False), ([], True)):
        found = imported(run("prune", "--json", *arguments))
        assert (found["keywords"], found["removed"]) == (1, removed)
    assert counts(database_url) == [0, 0, 0]
