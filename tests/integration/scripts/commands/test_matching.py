"""`crawlpush match`, `phrases` and `subscriptions`: whom a post would reach, and what a phrase would find."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from pipeline.resources import now
from storage.models import Post
from storage.session import Database
from tests.integration.scripts.commands.test_commands import database, refused, run
from tests.support.builders import add_site, found, stored_posts
from tests.support.cli import Run

__all__ = ["database", "run"]


def test_match_says_who_would_get_a_post(run: Run) -> None:
    run("users", "add", "minji")
    run("subscriptions", "add", "minji", "장학")
    answer = json.loads(run("match", "--title", "국가장학금", "--json").stdout)
    assert answer.items() >= {"users": 1, "phrases": ["장학"], "through": [], "sample": ["minji"]}.items()


def test_match_without_a_site_says_whom_it_leaves_out(run: Run, database: Database) -> None:
    with database.writing() as session:
        add_site(session)
    run("users", "add", "minji")
    assert "are not counted" not in run("match", "--title", "x").output
    run("subscriptions", "add", "minji", "장학", "--site", "board")
    assert "--site NAME" in run("match", "--title", "국가장학금").output
    assert "--site NAME" not in run("match", "--title", "국가장학금", "--site", "board").output


def test_match_says_through_which_synonym(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "synonyms.toml"
    monkeypatch.setenv("SYNONYMS_FILE", str(file))
    assert str(file) in refused(run, "match", "--title", "아르바이트")
    file.write_text('groups = [["알바", "아르바이트"]]', "utf-8")
    run("users", "add", "minji")
    run("subscriptions", "add", "minji", "알바")
    answer = json.loads(run("match", "--title", "단기 아르바이트", "--json").stdout)
    assert answer["phrases"] == ["알바"]
    assert answer["through"] == ["알바 through the synonym 아르바이트"]
    assert answer["sample"] == ["minji"]


def test_a_phrase_is_tried_before_somebody_subscribes(run: Run, database: Database) -> None:
    with database.writing() as session:
        stored_posts(session, add_site(session), [found(1, "국가 장학금 신청"), found(2, "식단")])
        session.execute(update(Post).values(first_seen_at=now()))
    said = run("phrases", "try", "국가장학금").output
    assert "1 of the last 2 posts" in said
    assert "국가 장학금 신청, board" in said
    (newest,) = json.loads(run("phrases", "try", "식단 | 급식", "--json").stdout)["newest"]
    assert (newest["title"], datetime.fromisoformat(newest["first_seen_at"]).tzinfo) == ("식단", UTC)
    answer = json.loads(run("phrases", "try", "급식", "--json").stdout)
    assert (answer["result"], answer["hits"], answer["newest"]) == ("0 in 1 day", 0, [])
    assert "single character" in refused(run, "phrases", "try", "책")
    assert json.loads(run("phrases", "suggestions", "--json").stdout) == []


def test_a_subscription_has_a_pace_that_is_changed_by_adding_it_again(run: Run) -> None:
    run("users", "add", "minji")
    for options, pace in (((), None), (("--pace", "daily"), "daily"), ((), "daily"), (("--pace", "default"), None)):
        run("subscriptions", "add", "minji", "snow", *options)
        (row,) = json.loads(run("subscriptions", "list", "--json").stdout)
        assert row["pace"] == pace
