import logging

import pytest

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy import Request

from spiders.child.outgoing import Outgoing
from spiders.reading.places import Place
from spiders.request_params import RequestParams

KEYED = {"headers": ["X-Api-Key: secret:BOARD_KEY"], "cookies": ["tenant=secret:BOARD_KEY"]}
VALUE = "kEy-0123456789"


def outgoing(url: str = "http://a.example/l") -> Outgoing:
    return Outgoing(RequestParams.of(KEYED), url, {"BOARD_KEY": VALUE})


def test_a_secret_is_filled_in_on_a_copy_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    site, request = outgoing(), Request("http://a.example/l?p=1", headers={"Cookie": "sid=1"})
    sent = site.complete(request)
    assert (sent.headers["X-Api-Key"], sent.headers["Cookie"]) == (VALUE.encode(), f"sid=1; tenant={VALUE}".encode())
    assert VALUE not in f"{request!r} {request.headers} {sent!r} {site!r} {caplog.text}"
    assert site.without_secrets(f"at /l?k={VALUE}") == "at /l?k=***"


@pytest.mark.parametrize("url", ["https://a.example/l", "http://a.example:8080/l", "http://b.example/l"])
def test_it_is_for_the_sites_own_origin_alone(url: str) -> None:
    request = Request(url)
    assert outgoing().complete(request) is request


def test_a_secret_in_json_is_escaped_and_one_in_a_form_encoded() -> None:
    site = Outgoing(RequestParams(form=("k=secret:BOARD_KEY",)), "http://a.example/l", {"BOARD_KEY": 'a"b &c'})
    for media_type, body, sent in (
        ("application/json", b'{"k": "secret:BOARD_KEY"}', b'{"k": "a\\"b &c"}'),
        ("application/x-www-form-urlencoded", b"k=secret%3ABOARD_KEY", b"k=a%22b+%26c"),
    ):
        request = Request("http://a.example/l", method="POST", body=body, headers={"Content-Type": media_type})
        assert site.complete(request).body == sent


def test_what_a_page_names_by_itself_is_no_secret_of_the_site() -> None:
    """A hidden field or a cursor that says secret:NAME comes from the server, which would get the value."""
    environment = {"BOARD_KEY": VALUE, "OTHER_KEY": "other-0123456789"}
    params = RequestParams(form=("k=secret:BOARD_KEY", "after={cursor}"))
    site = Outgoing(params, "http://a.example/l", environment)
    body, media_type = params.sent(Place(cursor="secret:OTHER_KEY"), "utf-8")
    request = Request("http://a.example/l", method="POST", body=body, headers={"Content-Type": media_type})
    assert site.complete(request).body == f"k={VALUE}&after=secret%3AOTHER_KEY".encode()
    assert Outgoing(RequestParams(), "http://a.example/l", environment).complete(request) is request
