import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scripts.board.posts import DEFAULT_SEED, FIRST_POSTS, KEEP, PINNED, Board, PostError, compose

START = datetime(2026, 11, 21, tzinfo=UTC)


def clock() -> Callable[[], datetime]:
    seconds = itertools.count()
    return lambda: START + timedelta(seconds=next(seconds))


def test_the_same_seed_gives_the_same_titles() -> None:
    def titles(seed: int) -> list[str]:
        board = Board(seed=seed, now=clock())
        for _ in range(20):
            board.add_next()
        return [post.title for post in board.posts()]

    assert titles(1) == titles(1)
    assert titles(1) != titles(2)


def test_there_is_something_for_everyone_among_the_first_new_posts() -> None:
    first = [compose(DEFAULT_SEED, FIRST_POSTS + number, START).title for number in range(1, 5)]
    for word in ("장학금", "scholarship", "채용"):
        assert any(word in title for title in first), word


def test_both_languages_and_awkward_words_occur() -> None:
    titles = " ".join(compose(DEFAULT_SEED, number, START).title for number in range(1, 200))
    for word in ("장학", "채용", "기숙사", "C++", "node.js", ".NET", "Dormitory", "Hiring"):
        assert word in titles


def test_the_board_keeps_a_bounded_number_of_posts() -> None:
    board = Board(now=clock())
    for _ in range(KEEP + 10):
        board.add_next()
    posts = board.posts()
    assert len(posts) == KEEP
    assert [post.id for post in posts] == list(range(FIRST_POSTS + KEEP + 10, FIRST_POSTS + 10, -1))
    assert board.find(posts[-1].id) == posts[-1]
    assert board.find(posts[-1].id - 1) is None
    assert board.find(posts[0].id + 1) is None
    assert len(board.pinned()) == PINNED


def test_a_restart_continues_the_board(tmp_path: Path) -> None:
    file = tmp_path / "data" / "board.json"
    first = Board(file=file, now=clock())
    added = first.add("장학 <안내>", "본문", pinned=True)
    second = Board(file=file, now=clock())
    assert second.posts() == first.posts()
    assert second.add_next().id == added.id + 1


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"id": 1}]'])
def test_a_file_that_holds_no_board(tmp_path: Path, content: str) -> None:
    file = tmp_path / "board.json"
    file.write_text(content)
    with pytest.raises(PostError, match="delete it to begin a new one"):
        Board(file=file)
    assert file.read_text() == content


def test_an_added_post_is_cleaned() -> None:
    post = Board(now=clock()).add("a\n\x00 b\ud800", "first\n\x0bsecond")
    assert (post.title, post.body) == ("a b", "first\nsecond")
    json.dumps(post.title).encode()


@pytest.mark.parametrize(("title", "body"), [("", ""), (" \n\x00", ""), ("x" * 301, ""), ("x", "y" * 20_001)])
def test_a_post_without_title_or_too_long(title: str, body: str) -> None:
    board = Board(now=clock())
    with pytest.raises(PostError):
        board.add(title, body)
    assert len(board.posts()) == FIRST_POSTS
