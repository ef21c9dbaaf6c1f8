"""The crawl behind `sites try`: a page whose software gives its list out as JSON is followed there."""

import json
import threading
from typing import Any

import pytest

from pipeline.crawling.child import run_child
from tests.support.faulty_site import response

pytestmark = pytest.mark.usefixtures("_forkserver")

TITLES = ["첫 공지입니다", "둘째 공지입니다"]
PAGE = '<meta name="generator" content="Discourse 3.3"><h1>Forum</h1>' + "".join(f"<p>{t}</p>" for t in TITLES)
LIST = {"topic_list": {"topics": [{"id": n, "slug": "s", "title": t} for n, t in enumerate(TITLES)]}}


@pytest.mark.parametrize(
    ("answer", "spider"),
    [
        (response("200 OK", json.dumps(LIST).encode(), "Content-Type: application/json"), "json"),
        (response("200 OK", b"<html>no", "Content-Type: text/html"), ""),
        (response("403 Forbidden", b"{}"), ""),
        (response("302 Found", b"", "Location: http://10.0.0.1/"), ""),
    ],
)
def test_the_json_beside_a_page_is_proposed_when_it_is_the_same_list(site, order_for, tmp_path, answer, spider):
    site.answers = {
        "/c/news/5": response("200 OK", PAGE.encode(), "Content-Type: text/html; charset=utf-8"),
        "/c/news/5.json": answer,
    }
    output = tmp_path / "proposal.json"
    params = {"url": site.url("/c/news/5"), "output": str(output)}
    run_child(order_for(spider="propose", params=params, database_url="", soft_limit_s=60), stop=threading.Event())
    found: dict[str, Any] = json.loads(output.read_text("utf-8"))
    assert found["spider"] == spider
    assert [post["title"] for post in found["posts"]] == (TITLES if spider else [])
