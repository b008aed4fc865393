"""File types from names and first bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules import media


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.md", b"", "text/markdown"),
        ("A.PY", b"", "text/x-python"),
        ("a.json", b"", "application/json"),
        ("report.pdf", b"", "application/pdf"),
        ("noname", b"%PDF-1.7", "application/pdf"),
        ("noname", b"hello", "text/plain"),
        ("noname", b"\x00\x01", "application/octet-stream"),
        (".gitignore", b"*.o", "text/plain"),
    ],
)
def test_the_media_type_of(name: str, head: bytes, kind: str) -> None:
    assert media.media_type(name, head) == kind


@given(st.text(max_size=40), st.binary(max_size=64))
def test_every_name_and_every_bytes_have_a_media_type(name: str, head: bytes) -> None:
    assert "/" in media.media_type(name, head)


def test_wide_text_with_a_mark_is_not_binary() -> None:
    assert not media.is_binary("\ufeffhi".encode("utf-16-le"))


def test_wide_text_without_a_mark_is_not_binary() -> None:
    assert not media.is_binary("Plain words of a Windows tool.\r\n".encode("utf-16-le"))


@pytest.mark.parametrize(
    "text",
    ["progress \x00 done", "zebra before\x00after crossing", "ID3 is an algorithm", "GIF89a was a format", "Rar!"],
)
def test_utf8_with_a_stray_nul_or_a_word_that_is_a_signature_is_text(text: str) -> None:
    assert not media.is_binary(text.encode())


@pytest.mark.parametrize(
    "head", [b"\x00asm\x01\x00\x00\x00", b"ID3\x04\x00\x00\x00\x00\x00\x23", bytes(range(256)), b"\x00" * 64]
)
def test_bytes_of_programs_and_music_are_binary(head: bytes) -> None:
    assert media.is_binary(head)


@pytest.mark.parametrize(
    ("size", "words"), [(512, "512 B"), (1_234_567, "1.2 MB"), (999_999, "1.0 MB"), (3 * 10**9, "3.0 GB")]
)
def test_sizes_are_human_readable(size: int, words: str) -> None:
    assert media.size_words(size) == words


@pytest.mark.parametrize(
    ("kind", "cut"),
    [("text/markdown", True), ("text/html", True), ("text/x-python", False), ("application/json", False)],
)
def test_only_documents_are_cut_into_sections(kind: str, cut: bool) -> None:
    assert media.splits(kind) is cut
