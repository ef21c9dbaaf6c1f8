import re
from datetime import UTC, datetime

import pytest

from pipeline.crawling.same_posts import Known, Pair, advice

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def pairs(before: str, now: str, *, guid: bool = False) -> list[Pair]:
    """Pairs of posts whose addresses these are; N is another number for each."""

    def known(url: str, number: int) -> Known:
        url = url.replace("N", str(number))
        return Known(
            id=number,
            external_id=f"tag:{url}" if guid else url.removeprefix("http://"),
            url="http://a.test/p/0" if guid else url,
            title=f"{number}",
            published_at=None,
            first_seen_at=NOW,
        )

    return [Pair(old=known(before, number), new=known(now, number)) for number in (11, 12, 13)]


@pytest.mark.parametrize(
    ("spider", "params", "before", "now", "options"),
    [
        ("listing", {}, "http://a.test/v?no=N&t=1", "http://a.test/v?no=N&t=2", "-p ignore_query=t"),
        (
            "listing",
            {"ignore_query": ["x"]},
            "http://a.test/v?no=N&_afrLoop=1&_adf=3",
            "http://a.test/v?no=N&_afrLoop=2&_adf=4",
            "-p ignore_query=x -p ignore_query=_adf -p ignore_query=_afrLoop",
        ),
        ("feed", {}, "http://a.test/p/N?t=1", "http://a.test/p/N?t=2", "-p ignore_query=t"),
        ("listing", {"id": "a::attr(data-r)"}, "http://a.test/v?no=N", "http://a.test/v?no=N", "-p id="),
        ("listing", {}, "http://a.test/s1/N", "http://a.test/s2/N", r"-p 'id=re:/([^/?#]+)(?:[?#]|$)'"),
        ("feed", {}, "http://a.test/s1/N/x", "http://a.test/s2/N/x", r"-p 'id_pattern=/([^/?#]+)/[^/?#]*(?:[?#]|$)'"),
    ],
)
def test_what_mends_changing_ids_is_named(spider, params, before, now, options):
    assert f"`crawlpush sites set board {options}`" in advice("board", spider, params, pairs(before, now))


def test_a_guid_that_is_made_anew_is_replaced_by_the_link():
    assert "-p id=link`" in advice("board", "feed", {}, pairs("1 N", "2 N", guid=True))


def test_a_move_and_addresses_of_which_nothing_stays_are_said():
    assert "moved to b.test" in advice("board", "listing", {}, pairs("http://a.test/N", "http://b.test/N"))
    nothing = [pairs("http://a.test/N", "http://a.test/4N")[0]]
    assert "set id" in advice("board", "listing", {}, nothing)
    assert "by their titles" in advice("board", "feed", {}, nothing)


def test_the_proposed_pattern_finds_what_stays():
    found = re.search(
        r"id=re:(.*?)'`", advice("b", "listing", {}, pairs("http://a.test/s1/N/x", "http://a.test/s2/N/x"))
    )
    assert found
    matched = re.search(found[1], "http://a.test/s9/11/x")
    assert matched
    assert matched[1] == "11"
