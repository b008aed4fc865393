"""Cache keys of generated text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.generation_cache_key import cache_key, generator_id


@given(st.lists(st.text()), st.lists(st.text()))
def test_other_inputs_have_other_names(one: list[str], other: list[str]) -> None:
    assert (cache_key("a", "m@1", one) == cache_key("a", "m@1", other)) == (one == other)


def test_accounts_models_and_prompts_share_nothing() -> None:
    keys = {cache_key(a, generator_id(m, v), ["x"]) for a in ("a", "b") for m in ("m", "n") for v in ("1", "2")}
    assert len(keys) == 8
