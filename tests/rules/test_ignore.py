"""Files other than documents are skipped, with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.policy import DOCUMENT_BYTES_MAX, UPLOAD_BYTES_MAX
from recalld.rules.ignore import why_skip_file, why_skip_folder


@pytest.mark.parametrize(
    "name",
    [
        ".git",
        ".hg",
        ".jj",
        ".SVN",
        "node_modules",
        "__pycache__",
        ".venv",
        "x.egg-info",
        ".obsidian",
        ".Obsidian-mobile",
        ".trash",
        ".Trash",
        ".Trash-1000",
        "$RECYCLE.BIN",
        ".ssh",
        ".AWS",
        ".gnupg",
        ".vscode",
    ],
)
def test_folders_of_tools_are_not_entered(name: str) -> None:
    assert why_skip_folder(name)


@pytest.mark.parametrize("name", ["docs", "src", "build", ".github", "lib", "logseq", ".docker", "trash"])
def test_ordinary_folders_are_entered(name: str) -> None:
    assert why_skip_folder(name) == ""


def test_a_folder_is_settings_if_it_holds_them() -> None:
    assert why_skip_folder("logseq", lambda name: name == "config.edn")


@pytest.mark.parametrize(
    ("name", "head", "why"),
    [
        ("a.so", b"", "executable"),
        ("a.pyc", b"", "compiled code"),
        ("a.o", b"", "object file"),
        ("tool", b"\x7fELF\x02\x01\x01\x00", "executable"),
        ("tool", b"MZ\x90\x00", "executable"),
        ("tool", b"\xcf\xfa\xed\xfe\x07\x00", "executable"),
        ("a.md~", b"", "temporary file"),
        (".abstract.md", b"hi", "name is reserved"),
    ],
)
def test_files_that_are_no_documents_are_left_out(name: str, head: bytes, why: str) -> None:
    assert why_skip_file(name, len(head), head) == why


@pytest.mark.parametrize(
    ("name", "head"),
    [("a.md", b"MZ is a text"), ("run.sh", b"#!/bin/sh"), ("a.pdf", b"%PDF"), ("p.png", b"\x89PNG\r\n\x1a\n\x00")],
)
def test_documents_are_taken(name: str, head: bytes) -> None:
    assert why_skip_file(name, len(head), head) == ""


def test_a_text_may_be_smaller_than_what_is_stored_unread() -> None:
    assert why_skip_file("a.txt", DOCUMENT_BYTES_MAX + 1, b"x").startswith("too large")
    assert why_skip_file("a.pdf", DOCUMENT_BYTES_MAX + 1, b"%PDF") == ""
    assert why_skip_file("a.pdf", UPLOAD_BYTES_MAX + 1, b"%PDF").startswith("too large")


@given(st.text(max_size=40), st.integers(0, 10**12), st.binary(max_size=64))
def test_every_file_has_a_verdict(name: str, size: int, head: bytes) -> None:
    assert isinstance(why_skip_file(name, size, head), str)
