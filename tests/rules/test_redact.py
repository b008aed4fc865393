"""Errors are shown without keys, tokens and passwords."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.redact import redacted


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("401 from https://api.example.com: Bearer abcDEF123456.xyz is wrong", "abcDEF123456.xyz"),
        ("clone of https://ana:hunter2@git.example.com/x failed", "hunter2"),
        ('{"api_key": "k-987654"}', "k-987654"),
        ("EXAMPLE_API_KEY=s3cr3tvalue was refused", "s3cr3tvalue"),
        ("password: correct-horse", "correct-horse"),
        ("the key sk-proj-abcdefghijklmnop is expired", "sk-proj-abcdefghijklmnop"),
        ("token ghp_abcdefghijklmnopqrstuvwx", "ghp_abcdefghijklmnopqrstuvwx"),
        ("key YWNtZQ.YW5h." + "c2VjcmV0" * 6 + " is unknown", "c2VjcmV0" * 6),
        ("digest " + "0af1" * 16, "0af1" * 16),
        ("x" * 480 + " api_key=" + "s" * 60, "sss"),
    ],
)
def test_secrets_are_redacted(text: str, secret: str) -> None:
    assert secret not in redacted(text)
    assert "[REDACTED]" in redacted(text, 10_000)


@pytest.mark.parametrize("text", ["", "file not found: viking://resources/a.md", "timeout after 30 s; 12 tokens used"])
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert redacted(text) == text


@given(st.text(max_size=5_000))
def test_an_error_is_cut(text: str) -> None:
    assert len(redacted(text)) <= 500
