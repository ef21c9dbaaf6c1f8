"""docs/sites.md is right about the parameters."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from spiders.params import FeedParams, JSONParams, ListingParams, SiteParams

PAGE = (Path(__file__).parents[3] / "docs" / "sites.md").read_text(encoding="utf-8")


def table(title: str) -> dict[str, str]:
    """The parameters of a section, each with its default."""
    section = PAGE.partition(f"### {title}\n")[2].partition("\n#")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (?:`(\w+)`)? ?\|", section, re.MULTILINE))


@pytest.mark.parametrize(("title", "params"), [("listing", ListingParams), ("json", JSONParams), ("feed", FeedParams)])
def test_the_page_names_every_parameter_with_its_default(title: str, params: type[SiteParams]) -> None:
    defaults = {
        each.name: str(each.default).lower() if isinstance(each.default, bool) else str(each.default)
        for each in fields(params)
        if isinstance(each.default, str | int)
    }
    defaults |= {each.name: "" for each in fields(params) if not isinstance(each.default, str | int)}
    assert table("All three spiders") | table(title) == defaults | {"url": ""}
