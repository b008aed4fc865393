"""Tiers rise and fall within the budget."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.uri import Uri
from recalld.rules.context import Candidate
from recalld.rules.openviking_json import tokens
from recalld.rules.recall_markup import render
from recalld.rules.tier_packing import pack

BODY = st.text("word 字", max_size=300)


def found(name: str, kind: str = "resources", *, is_dir: bool = False, **texts: str) -> Candidate:
    return Candidate(Uri(("resources", name)), kind, 0.5, "self", {"abstract": "short", **texts}, is_dir)


def details(entries: list[Any]) -> list[str]:
    return [e.detail for e in entries]


@given(
    st.lists(st.tuples(st.sampled_from(["events", "skills"]), BODY, BODY, BODY), min_size=1, max_size=12),
    st.integers(20, 2_000),
    st.dictionaries(st.sampled_from(["events", "skills"]), st.sampled_from(["uri", "abstract", "overview", "full"])),
)
def test_the_block_never_exceeds_its_budget(
    texts: list[tuple[str, str, str, str]], budget: int, pins: dict[str, str]
) -> None:
    chosen = [found(f"f{i}", k, abstract=a, overview=o, full=f) for i, (k, a, o, f) in enumerate(texts)]
    entries, figures = pack(chosen, budget, pins)
    assert tokens(render(entries)) <= figures["used_tokens"] <= budget
    assert len(entries) + figures["dropped"] == len(chosen)
    assert sum(figures["tier_counts"].values()) == len(entries)


def test_events_and_directories_begin_at_overview_all_else_at_abstract() -> None:
    chosen = [
        found("e", "events", overview="o"),
        found("d", is_dir=True, overview="o"),
        found("r", overview="o"),
        found("s", "skills", overview="o"),
    ]
    assert details(pack(chosen, 2_000, {})[0]) == ["overview", "overview", "abstract", "abstract"]


def test_only_events_rise_to_full() -> None:
    chosen = [found("e", "events", overview="o", full="whole"), found("r", overview="o", full="whole")]
    entries, figures = pack(chosen, 2_000, {})
    assert details(entries) == ["full", "abstract"]
    assert figures["fill"]["full_upgrades"] == 1


def test_an_entry_above_its_cap_falls_one_tier() -> None:
    chosen = [found("e", "events", overview="long " * 400), found("f", "events", overview="o")]
    entries, figures = pack(chosen, 300, {})
    assert figures["per_entry_cap"] == 300
    assert details(entries) == ["abstract", "overview"]


def test_spare_tokens_carry_a_full_text_above_the_cap() -> None:
    chosen = [found("e", "events", overview="o", full="long " * 300), *(found(f"r{i}") for i in range(9))]
    entries, figures = pack(chosen, 1_000, {})
    assert figures["per_entry_cap"] == 200
    assert entries[0].detail == "full"
    assert (figures["fill"]["full_upgrades"], figures["fill"]["spare_upgrades"]) == (0, 1)


def test_the_first_in_order_rises_first() -> None:
    chosen = [found(f"e{i}", "events", overview="o", full="whole " * 60) for i in range(3)]
    entries, _ = pack(chosen, 230, {})
    assert details(entries)[0] == "full"
    assert "overview" in details(entries)[1:]


@pytest.mark.parametrize("pin", ["uri", "abstract", "overview", "full"])
def test_a_pin_holds_both_ends(pin: str) -> None:
    chosen = [found("e", "events", overview="o", full="f"), found("r", overview="o", full="f")]
    assert details(pack(chosen, 2_000, {"events": pin, "resources": pin})[0]) == [pin, pin]


def test_a_tier_that_says_nothing_is_passed_over() -> None:
    entries, _ = pack([found("r", abstract="")], 2_000, {})
    assert (details(entries), entries[0].text) == (["uri"], "")


def test_figures_of_an_empty_block_are_all_there() -> None:
    entries, figures = pack([], 100, {})
    assert entries == []
    assert figures["used_tokens"] == figures["dropped"] == 0
    assert set(figures["fill"]) == {"floor_tokens", "overview_upgrades", "full_upgrades", "spare_upgrades"}
