"""Host names and origins: parsing, refusal, comparison."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Invalid
from recalld.rules.origin import (
    Authority,
    allowed_hosts,
    authority,
    cors_origins,
    is_json,
    is_within,
    origin,
    public_url,
    trusted_proxies,
)


@pytest.mark.parametrize(
    "text",
    [
        "localhost",
        "LOCALHOST:1933",
        "localhost.",
        "localhost:",
        "127.0.0.1:1933",
        "127.8.9.1",
        "[::1]",
        "[::1]:1933",
        "[0:0:0:0:0:0:0:1]:80",
        "[::ffff:127.0.0.1]",
    ],
)
def test_loopback_names_in_every_spelling(text: str) -> None:
    found = authority(text)
    assert found is not None
    assert found.loopback


@pytest.mark.parametrize(
    "text",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.localhost",
        "0.0.0.0",
        "[::]",
        "10.0.0.1",
        "localhost..",
        "127.1",
        "2130706433",
        "0x7f000001",
        "127.0.0.01",
    ],
)
def test_other_names_are_not_loopback(text: str) -> None:
    found = authority(text)
    assert found is None or not found.loopback


@pytest.mark.parametrize(
    "text",
    [
        "",
        " localhost",
        "localhost ",
        "localhost,evil.example",
        "localhost/evil",
        "evil@localhost",
        "localhost@evil.example",
        "localhost:80:90",
        "localhost:port",
        "localhost:99999",
        "localhost:0",
        "[::1",
        "::1",
        "[::1%25lo]",
        "[127.0.0.1]",
        "local host",
        "l\u00f3calhost",
        "localhost\x00",
    ],
)
def test_malformed_authorities_are_none(text: str) -> None:
    assert authority(text) is None


@given(st.text(max_size=40))
def test_any_text_is_an_authority_or_none_and_its_normal_form_is_its_own(text: str) -> None:
    found = authority(text)
    assert found is None or authority(str(found)) == found
    shown = origin(text)
    assert shown is None or origin(shown) == shown


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTP://Localhost:80", "http://localhost"),
        ("https://a.example:443", "https://a.example"),
        ("http://a.example.", "http://a.example"),
        ("http://[0:0::1]:1933", "http://[::1]:1933"),
        ("app://Obsidian.md", "app://obsidian.md"),
    ],
)
def test_origins_that_are_the_same(one: str, other: str) -> None:
    assert origin(one) == origin(other) == other


@pytest.mark.parametrize(
    "text", ["null", "", "*", "localhost", "http://", "http://a/b", "http://u@a", "http://a, http://b"]
)
def test_malformed_origins_are_none(text: str) -> None:
    assert origin(text) is None


def test_settings_are_brought_into_normal_form() -> None:
    assert allowed_hosts(["Mem.Example.", "::1", "[::1]:80", "b\u00fccher.example"]) == (
        "mem.example",
        "[::1]",
        "[::1]:80",
        "xn--bcher-kva.example",
    )
    assert cors_origins(["https://A.example:443/", "app://obsidian.md", "*"]) == (
        "https://a.example",
        "app://obsidian.md",
        "*",
    )
    assert public_url("https://Mem.Example/x/") == "https://mem.example/x"
    assert trusted_proxies(["10.0.0.1", "10.1.0.0/16", "::1"]) == ("10.0.0.1/32", "10.1.0.0/16", "::1/128")


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (allowed_hosts, "*"),
        (allowed_hosts, "*.example.com"),
        (allowed_hosts, "http://a.example"),
        (cors_origins, "null"),
        (cors_origins, "a.example"),
        (cors_origins, "https://*.example"),
        (trusted_proxies, "*"),
        (trusted_proxies, "proxy.local"),
    ],
)
def test_a_setting_that_means_nothing_is_refused_with_its_text(check: object, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        check([text])  # type: ignore[operator]
    assert text in str(refused.value)
    assert refused.value.remedy


@pytest.mark.parametrize(
    "text", ["mem.example", "ftp://mem.example", "https://", "https://u:p@mem.example", "https://a/?q=1"]
)
def test_a_public_url_that_clients_cannot_use_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        public_url(text)


def test_networks_hold_addresses_of_their_own_kind() -> None:
    networks = trusted_proxies(["10.0.0.0/8", "fd00::/8"])
    assert is_within("10.1.2.3", networks)
    assert is_within("::ffff:10.1.2.3", networks)
    assert is_within("fd00::1", networks)
    assert not any(is_within(one, networks) for one in ("11.0.0.1", "::1", "", "unix", "testclient"))


@pytest.mark.parametrize(
    ("media", "is_so"),
    [
        ("application/json", True),
        ("Application/JSON; charset=latin-1", True),
        ("application/ld+json", True),
        ("application/vnd.api+json;charset=utf-8", True),
        ("text/plain", False),
        ("text/plain; application/json", False),
        ("text/plain;charset=application/json", False),
        ("application/jsonp", False),
        ("application/json, text/plain", False),
        ("text/plain, application/json", False),
        ("multipart/form-data; boundary=+json", False),
        ("+json", False),
        ("", False),
    ],
)
def test_json_follows_from_the_media_type(media: str, *, is_so: bool) -> None:
    assert is_json(media) is is_so


def test_an_authority_is_shown_as_it_is_sent() -> None:
    assert str(Authority("::1", 1933)) == "[::1]:1933"
    assert str(Authority("a.example")) == "a.example"
