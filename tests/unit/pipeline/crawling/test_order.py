"""The contract between a crawl's child and its parent, as it goes over the line."""

import json
from dataclasses import replace

import pytest

from pipeline.crawling.order import CrawlOrder, CrawlReport, report_of

REPORT = CrawlReport(
    finish_reason="finished",
    ok=True,
    pages=2,
    status_counts={"200": 2},
    validators={"https://board.test/": ("etag", None)},
    robots={"https://board.test": "User-agent: *"},
)


def test_a_report_arrives_as_it_was_sent():
    assert report_of(json.loads(json.dumps(vars(REPORT)))) == REPORT


@pytest.mark.parametrize("change", [{"validators": {"https://board.test/": ["etag"]}}, {"surprise": 1}])
def test_what_is_no_report_is_refused(change):
    with pytest.raises((TypeError, ValueError, KeyError)):
        report_of({**vars(REPORT), **change})


def test_what_a_database_refuses_is_left_out_wherever_a_report_has_it():
    # NUL, which PostgreSQL refuses, and half a character, which is no UTF-8
    odd = "a\x00b\ud800c"
    sent = replace(
        REPORT,
        finish_reason=odd,
        first_error=odd,
        status_counts={odd: 1},
        validators={odd: (odd, None)},
        robots={odd: odd},
    )

    report = report_of(json.loads(json.dumps(vars(sent))))

    assert (report.finish_reason, report.first_error) == ("abc", "abc")
    assert (report.status_counts, report.validators, report.robots) == (
        {"abc": 1},
        {"abc": ("abc", None)},
        {"abc": "abc"},
    )


def test_an_order_does_not_show_the_database_url():
    order = CrawlOrder(
        run_id=1,
        site_id=1,
        site_name="board",
        spider="listing",
        params={},
        timezone="UTC",
        database_url="postgresql://me:secret@db/app",
        user_agent="crawlpush",
        obey_robots=True,
        allow_private=False,
        soft_limit_s=1,
        hard_limit_s=2,
        memory_mb=64,
        download_max_bytes=1000,
        max_pages=1,
        download_delay_s=0,
    )
    assert "secret" not in repr(order)
