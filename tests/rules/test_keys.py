"""The format of keys, and what it reveals."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Invalid
from recalld.rules.keys import Claim, claim, compose, derived, head, same

NAMES = st.from_regex(r"[a-zA-Z0-9_.-]{1,40}", fullmatch=True).filter(lambda n: n not in {".", ".."} and n[0] != "_")


@given(NAMES, NAMES, st.text("0123456789abcdef", min_size=64, max_size=64))
def test_a_key_names_its_account_and_user(account: str, user: str, secret: str) -> None:
    key = compose(account, user, secret)
    assert claim(key) == Claim(account, user)
    assert "=" not in key
    assert urlsafe_b64decode(key.split(".")[2] + "==").decode() == secret


@given(st.text(max_size=200))
def test_malformed_keys_claim_no_identity(text: str) -> None:
    found = claim(text)
    assert found is None or compose(found.account, found.user, "x").rpartition(".")[0] == text.rpartition(".")[0]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "a.b",
        "a.b.c.d",
        "é.b.c",
        "YWNtZQ.YW5h.",
        "YWNtZQ.Li4.YQ",
        "X2E.YW5h.YQ",
        "YWNtZQ==.YW5h.YQ",
        "YWNtZR.YW5h.YQ",
    ],
)
def test_a_key_has_three_parts_one_spelling_and_real_names(key: str) -> None:
    assert claim(key) is None


def test_a_seed_gives_every_member_a_secret_of_its_own_and_always_the_same() -> None:
    one = derived("correct horse", "acme", "ana")
    assert one == derived("correct horse", "acme", "ana")
    assert len(one) == 64
    others = {
        derived("correct horse", "acme", "bob"),
        derived("correct horse", "other", "ana"),
        derived("x", "acme", "ana"),
    }
    assert one not in others
    assert len(others) == 3
    with pytest.raises(Invalid):
        derived("", "acme", "ana")


def test_the_shown_part_of_a_key_is_not_usable() -> None:
    key = compose("acme", "ana", "0123456789abcdef" * 4)
    assert key.startswith(head(key))
    assert claim(head(key)) is None or len(head(key).rsplit(".", 1)[1]) == 6


def test_secrets_are_the_same_only_when_they_are() -> None:
    assert same("abc", "abc")
    assert not same("abc", "abd")
    assert not same("abc", "abcd")
