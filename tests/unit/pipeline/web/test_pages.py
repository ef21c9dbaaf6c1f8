"""What the pages decide by facts alone: who is trusted, what a change's command looks like, how high a bar is."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.state.report import QueueNews, RedisNews, Report
from pipeline.web.pages.changes import SITE_CHANGES, command_line
from pipeline.web.pages.charts import HEIGHT, WIDTH, chart
from pipeline.web.pages.now import needs
from pipeline.web.pages.signing_in import LOOPBACK_COOKIE, SECURE_COOKIE, Asked, Operator, is_trusted


def asked(**facts: Any) -> Asked:
    return Asked(**{"scheme": "https", "host": "push.example.org", "peer": "10.0.0.1", "cookies": "", **facts})


@pytest.mark.parametrize(
    ("peer", "proxies", "trusted"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.1.2.3", "192.168.0.1 10.0.0.0/8", True),
        ("::1", "::1", True),
        ("10.0.0.1", "", False),
        ("11.0.0.1", "10.0.0.0/8", False),
        ("", "0.0.0.0/0", False),
        ("10.0.0.1", "::/0", False),
    ],
)
def test_a_proxy_is_trusted_by_its_address(peer: str, proxies: str, trusted: bool) -> None:
    assert is_trusted(peer, proxies) is trusted


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({}, SECURE_COOKIE),
        ({"scheme": "http"}, ""),
        ({"scheme": "http", "host": "127.0.0.1:8000"}, LOOPBACK_COOKIE),
        ({"scheme": "http", "host": "[::1]:8000"}, LOOPBACK_COOKIE),
        ({"scheme": "http", "host": "localhost"}, LOOPBACK_COOKIE),
        ({"scheme": "http", "host": "localhost.evil.example"}, ""),
        ({"scheme": "http", "host": "[::"}, ""),
    ],
)
def test_a_session_travels_over_tls_or_stays_on_this_machine(facts: dict[str, str], name: str) -> None:
    assert asked(**facts).cookie == name


@pytest.mark.parametrize(
    ("cookies", "session"),
    [(f"{SECURE_COOKIE}=abc; other=x", "abc"), (f"{LOOPBACK_COOKIE}=abc", ""), ("", ""), ("=;;\x00=", "")],
)
def test_only_the_cookie_with_the_prefix_counts_over_tls(cookies: str, session: str) -> None:
    assert asked(cookies=cookies).session == session


@pytest.mark.parametrize(
    ("origin", "elsewhere"),
    [
        (None, False),
        ("https://push.example.org", False),
        ("https://evil.example", True),
        ("null", True),
        ("https://push.example.org.evil.example", True),
        ("https://push.example.org:444", True),
    ],
)
def test_a_form_of_another_site_is_told_by_its_origin(origin: str | None, elsewhere: bool) -> None:
    assert asked(origin=origin).is_from_elsewhere is elsewhere


def test_a_forms_token_is_that_of_the_session_and_does_not_tell_it() -> None:
    first, second = (Operator(name="a", session=secret) for secret in ("one", "two"))
    assert first.token != second.token
    assert first.session not in first.token + repr(first)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (SITE_CHANGES["crawl"].words("board", {}), "crawlpush crawl --queue board"),
        (SITE_CHANGES["crawl"].words("-x", {}), "crawlpush crawl --queue -- -x"),
        (SITE_CHANGES["pause-pushes"].words("a b", {}), "crawlpush pause push '--site=a b'"),
        (SITE_CHANGES["schedule"].words("b", {"schedule": "$(x) *"}), "crawlpush sites schedule b '$(x) *'"),
        (("sites", "add", "b", "--url=https://me:pw@h/x"), "crawlpush sites add b '--url=https://me:***@h/x'"),
    ],
)
def test_the_command_that_does_the_same(words: tuple[str, ...], line: str) -> None:
    assert command_line(words) == line


def test_bars_stay_in_the_picture_and_the_smallest_is_seen() -> None:
    found = chart([{"delivered": 1_000_000, "failed": 1}, {}, {"failed": 3}], titles=["a", "b", "c"])
    assert (found.total, found.top, len(found.bars)) == (1_000_004, 1_000_001, 3)
    for bar in found.bars:
        assert bar.x >= 0
        assert bar.y >= 0
        assert bar.x + bar.width <= WIDTH
        assert bar.y + bar.height <= HEIGHT + 2
        assert bar.height >= 2
    assert chart([], titles=[]).bars == []


def test_what_keeps_everything_from_working_comes_first() -> None:
    report = Report(
        at=datetime(2026, 1, 1, tzinfo=UTC),
        problems=["Redis is away"],
        redis=RedisNews(failed_tasks=[], heartbeat=None, beat_problem="beat is not running"),
        queues={
            "notify_tasks": QueueNews(length=9, oldest_s=700, late=True),
            "crawl_tasks": QueueNews(length=0, oldest_s=0),
        },
    )
    found = [need.sentence.format(**need.values) for need in needs(report)]
    assert found[:2] == ["Redis is away", "beat is not running"]
    assert "notify_tasks" in found[2]
    assert len(found) == 3
