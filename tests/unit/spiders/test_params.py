from typing import Any

import pytest

from spiders.param_values import ParamsError
from spiders.params import FeedParams, JSONParams, ListingParams

BOARD = {"url": "http://a.example/", "row": "tr"}


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({"url": "board"}, "url is 'board'; it must be an absolute http or https address"),
        ({"url": "file:///etc/passwd"}, "must be an absolute http"),
        ({"url": None}, "the parameter url is missing"),
        ({"row": ""}, "the parameter row is missing"),
        ({"row": "tr["}, "row: 'tr\\[' is not valid CSS"),
        ({"row": "td:foo(3)"}, "row: 'td:foo\\(3\\)' is not valid CSS"),
        ({"title": "xpath://["}, "title: 'xpath://\\[' is not valid XPath"),
        ({"date": "//td[foo()]"}, "date: .* is not valid XPath: there is no function foo"),
        ({"maxpages": 3}, "no parameter 'maxpages'; the parameters are author, body"),
        ({"max_pages": "many"}, "max_pages is 'many'; it must be a whole number"),
        ({"max_pages": 0}, "max_pages is 0; it must be between 1 and 50"),
        ({"max_pages": True}, "max_pages is True"),
        ({"skip": ["link:("]}, "skip: 'link:\\(' is not a valid regular expression"),
        ({"strip": 5}, "strip is 5; it must be a list"),
        ({"timezone": "Mars"}, "timezone is 'Mars'; it must be an IANA name"),
        ({"timezone": "../../etc/passwd"}, "timezone is"),
        ({"encoding": "foo"}, "encoding is 'foo'"),
        ({"link_template": "view.do"}, "link_template: 'view.do' names no field"),
        ({"page_template": "http://a.example/2"}, "page_template: .* must hold {page}"),
        ({"date_order": "XYZ"}, "date_order: 'XYZ' must be one of auto, DMY"),
        ({"date_format": "dd.mm"}, "date_format: 'dd.mm' is no strptime format"),
        ({"title": ["a"]}, "title is \\['a'\\]; it must be a text"),
    ],
)
def test_a_wrong_parameter_of_a_listing_is_named_with_its_value(extra: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParamsError, match=sentence):
        ListingParams.from_mapping(BOARD | extra)


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({"id": "x"}, "id: 'x' must be one of auto, guid, link, comments"),
        ({"skip": "foo:x"}, 'skip: \'foo:x\' must be "title:" and a pattern or "link:" and a pattern'),
        ({"strip": "span.new"}, "strip: 'span.new' must be \"re:\" and a pattern"),
        ({"id_pattern": "("}, "id_pattern: .* not a valid regular expression"),
        ({"row": "tr"}, "no parameter 'row'"),
    ],
)
def test_a_wrong_parameter_of_a_feed_is_named_with_its_value(extra: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParamsError, match=sentence):
        FeedParams.from_mapping({"url": "http://a.example/"} | extra)


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({"rows": ""}, "the parameter rows is missing: .*\\(@ is the whole answer"),
        ({"title": None}, "the parameter title is missing"),
        ({"link": ""}, "the parameter link is missing: .*link_template makes it"),
        ({"rows": "data["}, "rows: 'data\\[' is not valid JMESPath"),
        ({"date": "no such(x)("}, "date: .* is not valid JMESPath"),
        ({"skip": "kind=ad"}, "skip: 'kind=ad' is not valid JMESPath"),
        ({"skip": "title:("}, "skip: 'title:\\(' is not a valid regular expression"),
        ({"strip": "badge"}, "strip: 'badge' must be \"re:\" and a pattern"),
        ({"link_template": "/view"}, "link_template: '/view' names no field"),
        ({"link_template": "/view/{a b}"}, "link_template: '/view/{a b}' 'a b' is not valid JMESPath"),
        ({"page_template": "http://a.example/2"}, "page_template: .* must hold {page} .*{offset} or {cursor}"),
        ({"embedded": "script["}, "embedded: 'script\\[' is not valid CSS"),
        ({"row": "tr"}, "no parameter 'row'"),
    ],
)
def test_a_wrong_parameter_of_json_is_named_with_its_value(extra: dict[str, Any], sentence: str) -> None:
    answer = {"url": "http://a.example/", "rows": "data", "title": "title", "link": "url"}
    with pytest.raises(ParamsError, match=sentence):
        JSONParams.from_mapping(answer | extra)


def test_parameters_of_a_command_line_are_strings() -> None:
    params = ListingParams.from_mapping(
        BOARD | {"max_pages": "3", "skip": ".ad\nlink:/ads/\n", "title": "", "next": None}
    )
    assert (params.max_pages, params.skip, params.title) == (3, (".ad", "link:/ads/"), "")


@pytest.mark.parametrize(
    "selector",
    [
        "td.subject > a",
        "a::text",
        "::attr(data-id)",
        "//td/a",
        ".//a",
        ".",
        "css:a",
        "xpath:string(.//a)",
        "xpath:.//*[has-class('x')]",
        "xpath:.//a[re:test(@href, 'x(')]",
        "xpath:ancestor-or-self::*[contains(., 'foo(')]",
    ],
)
def test_css_and_xpath_are_told_apart(selector: str) -> None:
    assert ListingParams.from_mapping(BOARD | {"title": selector}).title == selector
