"""Addresses are parsed once, strictly."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Denied, Invalid, RecalldError
from recalld.domain.uri import SEGMENT_BYTES_MAX, Uri


def test_query_and_empty_segments_are_ignored() -> None:
    assert Uri.parse("viking://resources//docs/a.md/?x=1") == Uri(("resources", "docs", "a.md"))


def test_the_root_is_its_own_parent() -> None:
    assert Uri.parse("viking://").parent == Uri()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "http://x/y",
        "resources/a",
        "viking:/a",
        "viking://a\x00b",
        "viking://a\u202eb",
        "viking://a/" + "x" * 300,
        "viking://" + "/".join(["d"] * 65),
        "viking://" + "a/" * 5000,
        "viking://a\ud800",
    ],
)
def test_malformed_uris_are_invalid(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        Uri.parse(text)
    assert refused.value.code == "INVALID_URI"
    assert refused.value.remedy


@pytest.mark.parametrize(
    "text", ["viking://a/../b", "viking://./a", "viking://a\\b", "viking://resources/c:/x", "viking://C:"]
)
def test_paths_that_try_to_leave_are_denied(text: str) -> None:
    with pytest.raises(Denied):
        Uri.parse(text)


@given(st.text(max_size=400))
def test_parsing_is_total_and_stable(text: str) -> None:
    try:
        uri = Uri.parse("viking://" + text)
    except RecalldError:
        return
    assert Uri.parse(str(uri)) == uri
    assert all(0 < len(p.encode()) <= SEGMENT_BYTES_MAX for p in uri.parts)


def test_below_is_by_segments_not_by_letters() -> None:
    base = Uri.parse("viking://resources/doc")
    assert Uri.parse("viking://resources/doc/a").under(base)
    assert not Uri.parse("viking://resources/docs").under(base)


def test_an_address_has_one_spelling_however_its_accents_come() -> None:
    loose, tight = (unicodedata.normalize(form, "viking://resources/Café/Ångström.md") for form in ("NFD", "NFC"))
    assert str(Uri.parse(loose)) == str(Uri.parse(tight)) == tight
    assert (Uri.parse("viking://resources") / unicodedata.normalize("NFD", "é.md")).name == "é.md"
