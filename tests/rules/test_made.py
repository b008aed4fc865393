"""Facts about the names of what was made."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.made import made_key, mark


@given(st.lists(st.text()), st.lists(st.text()))
def test_other_inputs_have_other_names(one: list[str], other: list[str]) -> None:
    assert (made_key("a", "m@1", one) == made_key("a", "m@1", other)) == (one == other)


def test_accounts_models_and_prompts_share_nothing() -> None:
    keys = {made_key(a, mark(m, v), ["x"]) for a in ("a", "b") for m in ("m", "n") for v in ("1", "2")}
    assert len(keys) == 8
