"""The two sides of the channel cannot import each other: here they are compared."""

from dataclasses import fields

from pipeline.crawling.child import CrawlOrder, CrawlReport
from spiders.child.orders import Order, Report


def names(kind: type) -> set[str]:
    return {field.name for field in fields(kind)}


def test_the_child_understands_every_order() -> None:
    assert names(Order) == names(CrawlOrder)


def test_the_parent_understands_every_report() -> None:
    # The parent adds what only it can know.
    assert names(CrawlReport) - names(Report) == {"cpu_s"}
    assert names(Report) <= names(CrawlReport)


def test_neither_shows_the_database_url() -> None:
    for kind in (Order, CrawlOrder):
        assert not next(field for field in fields(kind) if field.name == "database_url").repr
