"""Long tool outputs: which are stored separately, and their previews."""

from __future__ import annotations

import hashlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.policy import SessionPolicy
from recalld.domain.uri import Uri
from recalld.rules.tool_outputs import Output, is_output_id, matches, preview, set_aside

SESSION = Uri(("user", "ana", "sessions", "s"))
POLICY = SessionPolicy()


def tool(output: object, id_: str = "call_1") -> dict[str, Any]:
    return {"type": "tool", "tool_id": id_, "tool_name": "grep", "tool_output": output}


def aside(*parts: dict[str, Any], policy: SessionPolicy = POLICY) -> tuple[list[dict[str, Any]], tuple[Output, ...]]:
    ((raw, outputs),) = set_aside([({"role": "assistant", "parts": list(parts)}, "m1")], SESSION, "now", policy)
    return raw["parts"], outputs


def test_an_output_at_the_limit_stays_as_it_is() -> None:
    part = tool("x" * 20_000)
    assert aside(part) == ([part], ())


def test_a_longer_output_is_set_aside_whole_and_its_part_names_it() -> None:
    text = "é" * 20_001
    (part,), (output,) = aside(tool(text))
    assert output.text == text
    assert len(part["tool_output"]) <= 2_000
    assert part["tool_output_ref"] == output.id
    assert part["tool_output_truncated"] is True
    assert (part["tool_output_chars"], part["tool_output_bytes"]) == (20_001, 40_002)
    assert part["tool_output_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert part["tool_output_storage_uri"] == f"{SESSION}/tool-results/{output.id}/output.txt"


def test_the_id_is_one_plain_segment_whatever_the_tool_calls_itself() -> None:
    _, (output,) = aside(tool("x" * 30_000, "../../etc passwd\n" + "n" * 500))
    assert is_output_id(output.id)
    assert (SESSION / output.id).parts[-1] == output.id
    assert not is_output_id("tr_../x")
    assert not is_output_id("..")


def test_the_same_message_sent_again_names_the_same_output() -> None:
    assert aside(tool("x" * 30_000))[1][0].id == aside(tool("x" * 30_000))[1][0].id


def test_the_largest_outputs_of_a_turn_go_until_the_rest_fits() -> None:
    sizes = [18_000, 19_000, 20_000, 17_000, 16_000, 15_000]
    parts, outputs = aside(*(tool(chr(97 + i) * size) for i, size in enumerate(sizes)))
    assert [len(o.text) for o in outputs] == [20_000]
    assert sum(len(p["tool_output"]) for p in parts if "tool_output_ref" not in p) <= 100_000


def test_a_turn_is_measured_across_its_messages() -> None:
    messages = [({"role": "user", "turn_id": "t", "parts": [tool("x" * 19_000)]}, f"m{i}") for i in range(6)]
    assert sum(len(outputs) for _, outputs in set_aside(messages, SESSION, "now", POLICY)) == 1


def test_many_previews_of_one_turn_are_shorter() -> None:
    parts, _ = aside(*(tool(chr(97 + i) * 30_000) for i in range(8)))
    assert all(1_000 <= len(p["tool_output"]) <= 1_250 for p in parts)


def test_outputs_other_than_text_are_stored_as_json() -> None:
    _, (output,) = aside(tool({"rows": ["x" * 30_000]}))
    assert output.text.startswith('{"rows": ["xxx')


def test_zero_keeps_everything_where_it_is() -> None:
    part = tool("x" * 50_000)
    assert aside(part, policy=SessionPolicy(output_chars_max=0)) == ([part], ())


@given(st.text(min_size=1, max_size=5_000), st.integers(0, 3_000))
def test_a_preview_is_never_longer_than_its_limit(text: str, most: int) -> None:
    assert len(preview(text, most, "tr_x_0")) <= most


def test_a_word_is_found_whatever_its_case_with_what_stands_around_it() -> None:
    assert matches("one Two three two", "TWO", 10, 4) == [(4, "one Two thr"), (14, "ree two")]
    assert matches("aaaa", "a", 2, 0) == [(0, "a"), (1, "a")]
    assert matches("a.b", ".", 5, 0) == [(1, ".")]
