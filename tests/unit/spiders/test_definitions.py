import tomllib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiders.definitions import (
    DefinitionError,
    SiteDefinition,
    check_params,
    dump_definitions,
    parse_definitions,
    ready_made,
    seconds,
)
from spiders.toml_text import toml_table, toml_value

BOARD = """
[sites.board]
spider = "listing"
url = "http://a.example/"
schedule = "10m"
timezone = "Asia/Seoul"
max_age = "36h"
edits = "replace"
allow_private = true

[sites.board.params]
row = "tr"
skip = [".ad", 'link:/ads/\\d+']
max_pages = 2
"""


def test_a_definition_is_read() -> None:
    site = parse_definitions(BOARD)["board"]
    assert (site.spider, site.url, site.schedule, site.timezone) == (
        "listing",
        "http://a.example/",
        "10m",
        "Asia/Seoul",
    )
    assert site.params["skip"] == [".ad", r"link:/ads/\d+"]
    assert (site.columns["max_age_s"], site.columns["edits"]) == (36 * 3_600, "replace")
    assert site.columns["robots_exempt_reason"] is None


def test_what_is_written_reads_as_the_same_and_is_written_the_same_again() -> None:
    definitions = ready_made() | parse_definitions(BOARD)
    text = dump_definitions(definitions.values())
    assert parse_definitions(text) == definitions
    assert dump_definitions(parse_definitions(text).values()) == text


def test_a_stored_site_is_exported_as_it_was_imported() -> None:
    site = parse_definitions(BOARD)["board"]
    assert SiteDefinition.from_columns(SimpleNamespace(**site.columns)) == site


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[", "mine.toml: not valid TOML"),
        ("x = " + "[" * 5000 + "]" * 5000, "mine.toml: its values are nested too deeply"),
        ("x = " + "{a=" * 5000 + "1" + "}" * 5000, "mine.toml: its values are nested too deeply"),
        ("x = 1", "unknown table or key 'x'"),
        ("sites = 1", "sites must be tables"),
        ("[sites.a]\nurl = 'http://x/'", "site 'a': the key spider is missing"),
        ("[sites.a]\nspider = 'feed'", "site 'a': the parameter url is missing"),
        ("[sites.a]\nspider = 'feed'\nurl = 'http://x/'\nrow = 'tr'", "site 'a': unknown key 'row'"),
        (
            "[sites.a]\nspider = 'feed'\nurl = 'http://x/'\nedits = 'ring'",
            "edits is 'ring'; it must be keep or replace",
        ),
        ("[sites.a]\nspider = 'feed'\nurl = 'http://x/'\nmax_age = 'old'", "site 'a': max_age: 'old' is no duration"),
        (
            "[sites.a]\nspider = 'feed'\nurl = 'http://x/'\nenabled = 'yes'",
            "enabled is 'yes'; it must be true or false",
        ),
        ("[sites.a]\nspider = 'feed'\nurl = 'http://x/'\nschedule = 5", "schedule is 5; it must be a text"),
        ("[sites.a]\nspider = 'feed'\nurl = 'http://x/'\ntimezone = 'X'", "timezone is 'X'"),
        ("[sites.a]\nspider = 'feed'\nurl = 'http://x/'\n[sites.a.params]\nurl = 'http://y/'", "url is given twice"),
        ("[sites.a]\nspider = 'feed'\nurl = 5", "url is 5; it must be a text"),
        ("[sites.a]\nspider = 'feed'\nparams = 5", "params must be a table"),
        ("[sites]\na = 5", "site 'a': must be a table"),
        ("[sites.'A B']\nspider = 'feed'", "site 'A B': a name is at most 64 small letters"),
        ("[sites.a]\nspider = 'listing'\nurl = 'http://x/'\n[sites.a.params]\nrow = 'tr['", "site 'a': row: 'tr\\['"),
    ],
)
def test_a_wrong_definition_is_named_with_its_file_site_and_key(text: str, sentence: str) -> None:
    with pytest.raises(DefinitionError, match=sentence) as error:
        parse_definitions(text, "mine.toml")
    assert str(error.value).startswith("mine.toml: ")


def test_the_parameters_of_a_spider_of_ones_own_are_its_own_business() -> None:
    check_params(SiteDefinition(name="a", spider="mine", params={"anything": 1}))


@pytest.mark.parametrize(
    ("text", "count"), [("90s", 90), ("5m", 300), ("36h", 129_600), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_a_duration_in_seconds(text: str, count: int) -> None:
    assert seconds(text) == count


SCALARS = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**53), 2**53), st.booleans())


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.one_of(SCALARS, st.lists(SCALARS))))
def test_any_table_is_written_as_toml_that_reads_the_same(values: dict[str, Any]) -> None:
    assert tomllib.loads(toml_table(("sites", "a.b"), values))["sites"]["a.b"] == values


def test_a_value_that_toml_does_not_know_is_refused() -> None:
    assert toml_value({"a b": [1, {"c": True}]}) == '{"a b" = [1, {c = true}]}'
    with pytest.raises(TypeError, match="cannot be written as TOML"):
        toml_value(object())
