"""Keys in messages are redacted; similar text is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.spoken_secrets import without_credentials

KEYS = {
    "aws": ("I use my AWS key {} for deployments", "AKIAIOSFODNN7EXAMPLE"),
    "github": ("My GitHub key is {}, remember that", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
    "openai": ("Use {} please", "sk-proj-Ab3dEf6hIj9kLmN0pQrStUvWxYz12345"),
    "stripe": ("Use {} please", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
    "slack": ("The bot has {} now", "xoxb-123456789012-abcdefghijkl"),
    "google": ("Maps: {}", "AIzaSyA1234567890abcdefghijklmnopqrstuv"),
    "aws secret": ("aws_secret_access_key = {}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    "secret said": ("The AWS secret is {} by the way", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    "password": ("my password is {}", "hunter2!x"),
    "password line": ("DB_PASSWORD={}", "heliotrope-77"),
    "json": ('{{"api_key": "{}"}}', "a1b2c3d4e5f6"),
    "url": ("postgres://app:{}@db.example/x", "s3cretword"),
    "bearer": ("curl -H 'Authorization: Bearer {}'", "abcDEF0123456789abcDEF"),
    "jwt": ("It sent {}", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-DEF_ghi0123456789"),
    "pem": (
        "Keep this:\n{}\nthanks",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\nAAAAB3Nz\n-----END OPENSSH PRIVATE KEY-----",
    ),
    "cut pem": ("Keep this:\n{}", "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA"),
}


@pytest.mark.parametrize("name", KEYS)
def test_credentials_are_hidden_and_the_words_around_them_stay(name: str) -> None:
    frame, key = KEYS[name]
    shown = without_credentials(frame.format(key))
    assert key not in shown
    assert "[REDACTED]" in shown
    assert shown.startswith(frame.format("|").split("|")[0][:6])


@pytest.mark.parametrize(
    "text",
    [
        "Fixed by commit 9f3c2ab7d01e55aa0c1b2d3e4f5061728394a5b6 on the gateway.",
        "We went skateboarding-tournament style with sk-8 boards.",
        "The password is required, and the secret is patience.",
        "The token is refreshed hourly; tokens: 1500 used.",
        "550e8400-e29b-41d4-a716-446655440000",
        "See https://docs.example.com/a/b?page=2 and mail ana@example.com.",
        "Basic training starts on 3 June.",
        "Call me on +49 171 2345678.",
        "viking://user/default/memories/events/2026/05/01/lease_ab12cd.md",
    ],
)
def test_other_text_is_unchanged(text: str) -> None:
    assert without_credentials(text) == text


@given(st.text(max_size=300))
def test_hiding_twice_is_hiding_once_for_text_without_marks(text: str) -> None:
    once = without_credentials(text)
    assert without_credentials(once) == once
