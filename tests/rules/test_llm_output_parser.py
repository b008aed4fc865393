"""Parsing the output of language models."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.policy import ABSTRACT_CHARS_MAX, OVERVIEW_CHARS_MAX
from recalld.rules.llm_output_parser import MEMORIES_MAX, TEXT_CHARS_MAX, parse_memories, parse_tiers

TYPES = ("events", "preferences", "entities")
KNOWN = {"m0", "m1"}
GOOD = {"type": "events", "title": "Moved", "text": "Ana moved to Lisbon.", "messages": ["m0"]}
BAD = [
    {**GOOD, "type": "secrets"},
    {**GOOD, "messages": ["m9"]},
    {**GOOD, "messages": []},
    {**GOOD, "messages": "m0"},
    {**GOOD, "text": "  "},
    {**GOOD, "text": 7},
    "words",
    None,
    [1],
]


@pytest.mark.parametrize(
    "answer",
    [
        '{"abstract": "About herons.", "overview": "They fish."}',
        'Sure! Here it is:\n```json\n{"abstract": "About herons.", "overview": "They fish."}\n```\nAnything else?',
        '<think>{"abstract": "no"}</think>{"abstract": "About herons.", "overview": "They fish."}',
        'Note {curly} words. {"abstract": "About\\n herons.", "overview": "They fish."}',
        '{"abstract": "About herons.", "overview": "They fish.',
    ],
)
def test_tiers_are_found_wherever_they_stand(answer: str) -> None:
    assert parse_tiers(answer) == ("About herons.", "They fish.")


@pytest.mark.parametrize(
    "answer", ["", "I cannot do that.", "{}", '{"abstract": ""}', '{"abstract": 3}', '{"echo": "x"}', "[1]"]
)
def test_an_answer_without_an_abstract_is_of_no_use(answer: str) -> None:
    assert parse_tiers(answer) is None


def test_a_missing_overview_is_empty() -> None:
    assert parse_tiers('{"abstract": "a"}') == ("a", "")


@given(st.text(), st.text())
def test_tiers_stay_within_their_limits(abstract: str, overview: str) -> None:
    found = parse_tiers(json.dumps({"abstract": abstract * 40, "overview": overview * 400}))
    if found is not None:
        assert 0 < len(found[0]) <= ABSTRACT_CHARS_MAX
        assert len(found[1]) <= OVERVIEW_CHARS_MAX
        assert "\x00" not in "".join(found)
        "".join(found).encode()


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_one_bad_memory_leaves_the_others(bad: object) -> None:
    found = parse_memories(json.dumps({"memories": [bad, GOOD]}), KNOWN, TYPES)
    assert found is not None
    assert [one.title for one in found] == ["Moved"]


def test_a_list_that_was_cut_off_gives_what_was_whole() -> None:
    whole = json.dumps({"memories": [GOOD, {**GOOD, "text": "She has a cat."}]})
    found = parse_memories(whole[: whole.index("She has") + 3], KNOWN, TYPES)
    assert found is not None
    assert [one.text for one in found] == [GOOD["text"]]


def test_unknown_labels_are_dropped_and_brackets_tolerated() -> None:
    found = parse_memories(json.dumps({"memories": [{**GOOD, "messages": ["[m1]", "m7", "m1"]}]}), KNOWN, TYPES)
    assert found is not None
    assert found[0].labels == ("m1",)


def test_nothing_worth_remembering_is_an_answer_and_prose_is_none() -> None:
    assert parse_memories('{"memories": []}', KNOWN, TYPES) == ()
    assert parse_memories("Nothing to remember.", KNOWN, TYPES) is None


@given(st.text(max_size=300), st.integers(0, 300))
def test_any_output_parses_to_valid_values(noise: str, cut: int) -> None:
    items = [{**GOOD, "text": f"{noise} {i}", "title": noise} for i in range(30)]
    for answer in (noise, noise + json.dumps({"memories": items}), json.dumps({"memories": items})[: -1 - cut]):
        for one in parse_memories(answer, KNOWN, TYPES) or ():
            assert one.type in TYPES
            assert 0 < len(one.text) <= TEXT_CHARS_MAX
            assert set(one.labels) <= KNOWN
        assert len(parse_memories(answer, KNOWN, TYPES) or ()) <= MEMORIES_MAX


@pytest.mark.parametrize("answer", ["{" * 70_000, '{"a":' * 40_000, "[" * 70_000, '{"abstract": "' + "\\" * 70_000])
def test_hostile_nesting_comes_to_nothing(answer: str) -> None:
    assert parse_memories(answer, KNOWN, TYPES) is None
    parse_tiers(answer)
