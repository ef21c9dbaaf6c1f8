import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from scripts.board.process import BoardProcess
from scripts.local.processes import ServerProcessError, post_json
from tests.support.waiting import wait_until

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def board() -> Iterator[BoardProcess]:
    with BoardProcess(every=0) as board:
        yield board


def fetch(url: str, **headers: str) -> tuple[int, bytes, Message]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with OPENER.open(urllib.request.Request(url, headers=given), timeout=60) as response:
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def test_an_added_post_is_on_the_board_in_the_feed_and_on_its_own_page(board: BoardProcess) -> None:
    added = board.add_post("[장학] C++ <스터디>", "첫 줄\n둘째 줄", pinned=True)
    assert board.posts()[0] == added
    for url in (board.url, board.feed_url, f"{board.url}/{added['id']}"):
        status, content, _ = fetch(url)
        assert status == 200
        assert "[장학] C++ &lt;스터디&gt;" in content.decode()
    assert "<p>둘째 줄</p>" in fetch(f"{board.url}/{added['id']}")[1].decode()


def test_what_has_not_changed_is_not_sent_again(board: BoardProcess) -> None:
    for url in (board.url, f"{board.url}?page=2", board.feed_url, f"{board.url}/3"):
        status, _, headers = fetch(url)
        etag = headers["ETag"]
        assert status == 200
        for condition in (etag, f'"x", W/{etag}', "*"):
            again, content, _ = fetch(url, If_None_Match=condition)
            assert (again, content) == (304, b"")
        assert fetch(url, If_None_Match='"x"')[0] == 200
    etag = fetch(board.url)[2]["ETag"]
    board.add_post("another")
    assert fetch(board.url, If_None_Match=etag)[0] == 200


def test_last_modified_counts_when_there_is_no_etag(board: BoardProcess) -> None:
    modified = fetch(f"{board.url}/3")[2]["Last-Modified"]
    assert modified.endswith(" GMT")
    assert fetch(board.url, If_Modified_Since="Sat, 01 Jan 2000 00:00:00 GMT")[0] == 200
    assert fetch(board.url, If_Modified_Since="yesterday")[0] == 200
    # A post of this very second may not be in the copy that the client has.
    board.add_post("just now")
    assert fetch(board.url, If_Modified_Since=fetch(board.url)[2]["Last-Modified"])[0] == 200


@pytest.mark.parametrize("path", ["/notice?page=0", "/notice?page=99", "/notice?page=x", "/notice/999999", "/nothing"])
def test_what_is_not_there(board: BoardProcess, path: str) -> None:
    assert fetch(board.base_url + path)[0] == 404


def test_robots_may_read_the_board(board: BoardProcess) -> None:
    assert fetch(f"{board.base_url}/robots.txt")[1] == b"User-agent: *\nDisallow: /admin/\n"


@pytest.mark.parametrize("values", [[], {"title": 1}, {"title": "x", "color": "red"}, {"title": "x", "pinned": 1}, {}])
def test_a_post_that_is_none(board: BoardProcess, values: object) -> None:
    before = board.posts()
    with pytest.raises(ServerProcessError, match="A post "):
        post_json(f"{board.base_url}/admin/posts", values)
    assert board.posts() == before


def test_a_post_is_edited_in_its_place(board: BoardProcess) -> None:
    post = board.add_post("before", "text")
    board.edit_post(post["id"], " after ", "other")
    assert board.posts()[0] == {**post, "title": "after", "body": "other"}
    for number, title in ((post["id"], ""), (999_999, "none")):
        with pytest.raises(ServerProcessError, match=r"post"):
            board.edit_post(number, title)


def test_the_board_grows_by_itself() -> None:
    with BoardProcess(every=0.01) as board:
        first = board.posts()[0]["id"]
        wait_until(lambda: board.posts()[0]["id"] >= first + 3, "no posts came")


def test_a_restart_continues_the_board(tmp_path: Path) -> None:
    file = tmp_path / "board.json"
    with BoardProcess(every=0, file=file) as board:
        added = board.add_post("before the restart")
    with BoardProcess(every=0, file=file) as board:
        assert board.posts()[0] == added
        assert board.add_post("after it")["id"] == added["id"] + 1


def test_by_hand_it_says_where_it_is_and_stops_on_a_signal() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.board", "--port=0", "--every=0.01", "--verbose"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout.readline().startswith("The demo board is at http://127.0.0.1:")
    assert process.stdout.readline().startswith("New post: ")
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_file_that_holds_no_board_is_named(tmp_path: Path) -> None:
    file = tmp_path / "board.json"
    file.write_text("{}")
    with pytest.raises(ServerProcessError, match=f"The board cannot start: {file} does not hold a board"):
        BoardProcess(file=file).start()


def test_new_ids_are_others_at_each_look_and_lead_to_the_same_posts(board: BoardProcess) -> None:
    def ids(url: str) -> list[str]:
        return re.findall(r"/notice/(\d+)", fetch(url)[1].decode())

    usual = ids(board.feed_url)
    board.set_new_ids(True)
    try:
        looks = [ids(board.url), ids(board.url), ids(board.feed_url)]
    finally:
        board.set_new_ids(False)
    assert len({*usual, *looks[0], *looks[1], *looks[2]}) == len(set(usual)) + sum(len(set(look)) for look in looks)
    assert fetch(f"{board.url}/{looks[2][0]}")[1] == fetch(f"{board.url}/{usual[0]}")[1]
    assert ids(board.feed_url) == usual
