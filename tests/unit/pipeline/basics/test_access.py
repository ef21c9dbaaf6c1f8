"""Addresses as people type them, what is shown of a password, and what TLS is forgiven."""

import pytest

from pipeline.basics.access import TLSRules, masked, origin, tls_rules, unmasked, with_scheme, without_login


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("www.example.org", "https://www.example.org"),
        ("example.org/news?x=1#y", "https://example.org/news?x=1#y"),
        (" example.org:8080/a ", "https://example.org:8080/a"),
        ("localhost:8000/list", "https://localhost:8000/list"),
        ("192.0.2.7/list", "https://192.0.2.7/list"),
        ("//cdn.example.org/feed", "https://cdn.example.org/feed"),
        ("http://example.org", "http://example.org"),
        ("ftp://example.org", "ftp://example.org"),
        ("mailto:me@example.org", "mailto:me@example.org"),
        ("feed", "feed"),
        ("", ""),
    ],
)
def test_an_address_without_a_scheme_is_understood(typed, meant):
    assert with_scheme(typed) == meant


@pytest.mark.parametrize(
    ("url", "bare", "name", "password", "shown"),
    [
        ("https://me:pw@a.test/x?y=z", "https://a.test/x?y=z", "me", "pw", "https://me:***@a.test/x?y=z"),
        ("http://me:p%40w%3A@a.test:8080/", "http://a.test:8080/", "me", "p@w:", "http://me:***@a.test:8080/"),
        ("https://key@a.test/", "https://a.test/", "key", "", "https://***@a.test/"),
        ("https://me:p@w@a.test/", "https://a.test/", "me", "p@w", "https://me:***@a.test/"),
        ("https://:pw@[::1]:8443/", "https://[::1]:8443/", "", "pw", "https://:***@[::1]:8443/"),
    ],
)
def test_a_name_and_password_are_taken_out_and_masked(url, bare, name, password, shown):
    found, login = without_login(url)
    assert (found, login.name, login.password) == (bare, name, password)
    assert login.origin == origin(bare)
    assert password not in repr(login) or not password
    assert masked(url) == shown
    assert unmasked(shown, url) == url


def test_an_address_without_a_password_stays_as_it_is():
    for url in ("https://a.test/", "https://a.test/@me", "https://[bad", ""):
        assert without_login(url) == (url, None)
        assert masked(url) == url


@pytest.mark.parametrize("before", ["", "https://a.test/", "https://you:pw@a.test/", "https://me:pw@b.test/"])
def test_a_masked_password_that_is_not_known_is_refused(before):
    with pytest.raises(ValueError, match="write the password itself"):
        unmasked("https://me:***@a.test/", before)


def test_a_masked_password_goes_with_a_changed_path():
    assert unmasked("https://me:***@a.test/new", "https://me:pw@a.test:443/old") == "https://me:pw@a.test/new"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://A.test/x", "https://a.test:443"),
        ("http://a.test:80/", "http://a.test"),
        ("http://[::1]/", "http://[::1]"),
    ],
)
def test_an_origin_is_written_in_one_way(one, other):
    assert origin(one) == origin(other) != ""


def test_tls_rules_are_read():
    pin = ":".join(["AB"] * 32)
    assert tls_rules(["old", "expired", f"sha256:{pin}", "ca:/etc/x.pem"]) == TLSRules(
        old=True, expired=True, pins=frozenset({"ab" * 32}), ca_files=("/etc/x.pem",)
    )


@pytest.mark.parametrize(
    "entry", ["none", "sha256:", "sha256:abcd", "sha1:" + "a" * 40, "ca:", "ca:relative.pem", "OLD"]
)
def test_a_tls_rule_that_is_none_is_refused_with_what_is_allowed(entry):
    with pytest.raises(ValueError, match="it must be old, expired, sha256"):
        tls_rules([entry])
