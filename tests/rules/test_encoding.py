"""Bytes become text, whatever they are, and the reader is told how."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.encoding import decode

CHINESE = "数据库保存记忆、资源和技能。今天天气很好，我们去公园散步。"


@given(st.binary(max_size=400))
def test_any_bytes_become_text_without_lone_surrogates(data: bytes) -> None:
    decode(data).text.encode("utf-8")


@given(st.text(max_size=200))
def test_utf8_is_read_as_it_was_written_and_not_warned_of(text: str) -> None:
    clean = text.encode("utf-8", "ignore").decode().lstrip("\ufeff")
    decoded = decode(clean.encode())
    assert (decoded.text, decoded.encoding, decoded.warning) == (clean, "utf-8", "")


def test_a_byte_order_mark_is_no_text() -> None:
    assert decode(codecs.BOM_UTF8 + b"hello").text == "hello"


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF32_LE, "utf-32-le")],
)
def test_marked_wide_encodings_are_read_and_reported(mark: bytes, encoding: str) -> None:
    decoded = decode(mark + CHINESE.encode(encoding))
    assert (decoded.text, decoded.encoding) == (CHINESE, encoding)
    assert encoding.upper() in decoded.warning


def test_chinese_in_gb18030_is_read_and_reported() -> None:
    decoded = decode(CHINESE.encode("gb18030"))
    assert (decoded.text, decoded.encoding) == (CHINESE, "gb18030")
    assert "GB18030" in decoded.warning


def test_french_in_latin1_is_not_taken_for_chinese() -> None:
    text = "Un élève naïf a mangé à Nîmes, près du château."
    decoded = decode(text.encode("latin-1"))
    assert (decoded.text, decoded.encoding) == (text, "latin-1")
    assert "Latin-1" in decoded.warning


def test_one_broken_byte_does_not_garble_a_utf8_file() -> None:
    decoded = decode(CHINESE.encode() + b"\xff" + CHINESE.encode())
    assert decoded.text == f"{CHINESE}\ufffd{CHINESE}"
    assert "replaced" in decoded.warning
