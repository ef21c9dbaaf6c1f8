from typing import Any

import pytest

from pipeline.basics.secrets import check_secrets, names_secret
from pipeline.settings import SECRETS
from spiders.definitions import dump_definitions, parse_definitions
from spiders.param_values import ParamsError
from spiders.params import ListingParams
from spiders.reading.places import Place

LOGIN = {"login_url": "http://a.example/l", "login": "pw=secret:BOARD_PW", "logged_in": "a.logout"}
JSON_LOGIN = {"login_url": "http://a.example/l", "login_json": '{"pw": "secret:BOARD_PW"}', "logged_in": "user"}
BOARD = {"url": "http://a.example/", "row": "tr"}


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({"method": "PUT"}, "method is 'PUT'; it must be GET or POST"),
        ({"method": "GET", "form": "a=1"}, "sent by POST: leave method out"),
        ({"form": "a=1", "json": "{}"}, "two ways to send something"),
        ({"form": "novalue"}, r"form: 'novalue' is not of the form name=value"),
        ({"json": "{page: 1}"}, "json: .* is not valid JSON"),
        ({"headers": "X-A"}, "headers: 'X-A' is not of the form Name: value"),
        ({"headers": "X A: 1"}, "is not of the form Name: value"),
        ({"headers": {"X-A": "ü"}}, "signs that no header may have"),
        ({"headers": "User-Agent: Mozilla"}, "cannot be set: it names crawlpush"),
        ({"headers": "Cookie: a=1"}, "give cookies by the parameter cookies"),
        ({"headers": "Host: b.example"}, "cannot be set"),
        ({"headers": "Authorization: Bearer abcdef"}, r"headers: 'Authorization:...' would stand in the database"),
        ({"headers": "Authorization: Bearer secret:key"}, "a secret's name is that of a variable"),
        ({"headers": "X-A: secret:DATABASE_URL"}, "secret:DATABASE_URL' is not for sites"),
        ({"json": '{"a": "secret:AWS_SECRET_ACCESS_KEY"}'}, "AWS_SECRET_ACCESS_KEY belongs to the installation"),
        ({"cookies": "a"}, "cookies: 'a' is not of the form name=value"),
        ({"cookies": "a=b; c=d"}, "signs that no cookie may have"),
        ({"url": "http://a.example/?k=secret:BOARD_KEY"}, "url: a secret in an address would be logged"),
        ({"link_template": "/{id}?k=secret:BOARD_KEY"}, "link_template: a secret in an address"),
        ({"login_url": "http://a.example/l"}, "belong together, and login is missing"),
        (LOGIN | {"login_url": "/l"}, "login_url must be an absolute http or https address"),
        (LOGIN | {"login_url": "http://me:pw@a.example/l"}, "without a name and password in it"),
        (LOGIN | {"login": "pw=abcdef"}, "login: the password would stand in the database"),
        (LOGIN | {"login": "secret:BOARD_PW"}, "login: 'secret:...' is not of the form name=value"),
        (LOGIN | {"login_json": '{"pw": "secret:BOARD_PW"}'}, "give one of them"),
        (LOGIN | {"login_token": "token"}, "login_token needs login_json, which is missing"),
        (JSON_LOGIN | {"login_json": '{"pw": "abcdef"}'}, "login_json: the password would stand in the database"),
        (JSON_LOGIN | {"login_json": "{pw}"}, "login_json: .* is not valid JSON"),
        (JSON_LOGIN | {"login_header": "X-Token: {token}"}, "login_header needs login_token"),
        (JSON_LOGIN | {"login_token": "a["}, "login_token: 'a\\[' is not valid JMESPath"),
        (JSON_LOGIN | {"login_token": "t", "login_header": "X-Token: abc"}, "does not say where the token goes"),
        (JSON_LOGIN | {"login_token": "t", "login_header": "Host: {token}"}, "cannot be set"),
        (LOGIN | {"logged_in": "a["}, "logged_in: 'a\\[' is neither a selector nor JMESPath"),
        ({"headers": 5}, "headers is 5; it must be a list"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_without_its_values(extra: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParamsError, match=sentence) as raised:
        ListingParams.from_mapping(BOARD | extra)
    assert "abcdef" not in str(raised.value)


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({}, ("GET", "", "")),
        ({"method": "post"}, ("POST", "", "")),
        ({"form": ["q=a b", "page={page}", "k=secret:K_1"]},
         ("POST", "q=a+b&page=2&k=secret%3AK_1", "application/x-www-form-urlencoded")),
        ({"form": {"q": "공지", "n": 3}, "encoding": "euc-kr"},
         ("POST", "q=%B0%F8%C1%F6&n=3", "application/x-www-form-urlencoded")),
        ({"json": {"page": "{page}", "q": "공지"}}, ("POST", '{"page": "2", "q": "공지"}', "application/json")),
    ],
)  # fmt: skip
def test_a_request_is_what_the_parameters_say(params: dict[str, Any], sent: tuple[str, str, str]) -> None:
    found = ListingParams.from_mapping(BOARD | params)
    assert (found.verb, *found.sent(Place(page=2), found.encoding or "utf-8")) == sent


def test_a_file_may_write_tables_and_is_written_again_as_it_was() -> None:
    text = (
        '[sites.a]\nspider = "listing"\nurl = "https://a.example/"\ntimezone = "UTC"\n\n[sites.a.params]\nrow = "tr"\n'
        'form = {page = "{page}"}\nheaders = {X-Key = "secret:BOARD_KEY"}\n'
    )
    assert dump_definitions(parse_definitions(text).values()) == text


def test_nothing_that_the_installation_lives_on_may_be_named() -> None:
    ours = [*SECRETS, *(f"{name}_file" for name in SECRETS), "crawl_contact", "data_dir", "port", "env_file"]
    for name in (*ours, "aws_secret_access_key", "pgpassword", "path", "https_proxy", "python_path"):
        with pytest.raises(ValueError, match="belongs to the installation"):
            check_secrets(f"secret:{name.upper()}")


@pytest.mark.parametrize("name", ["BOARD_KEY", "API_KEY", "LOGIN_PASSWORD", "LIBRARY_PW", "USER_NAME", "PAGE_TOKEN"])
def test_other_names_may(name: str) -> None:
    check_secrets(f"Bearer secret:{name}")
    assert names_secret({"headers": [f"X: secret:{name}"]})
    assert not names_secret({"title": "topsecret:A", "n": 3})
