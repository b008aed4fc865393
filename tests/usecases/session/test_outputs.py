"""Long tool outputs: files of the session, created by the commit of their message and removed with it."""

from __future__ import annotations

from typing import Any

import pytest

from recalld.app.sessions import SessionOperations
from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid, NotFound
from tests.harness import Harness

LONG = "line of output\n" * 2_000 + "the needle is jasmine\n"
ROOT = "viking://user/default/sessions/s"


def message(output: str = LONG, **more: Any) -> dict[str, Any]:
    part = {"type": "tool", "tool_id": "call_7", "tool_name": "bash", "tool_output": output}
    return {"role": "assistant", "id": "m-1", "parts": [part], **more}


def verbs(harness: Harness) -> SessionOperations:
    return harness.engine.sessions


async def shown(harness: Harness, session: str = "s") -> list[dict[str, Any]]:
    context = await harness.engine.sessions.context(session, token_budget=1_000_000)
    return [part for m in context.messages for part in m["parts"]]


async def test_a_long_output_can_be_read_whole_and_its_message_shows_a_preview(harness: Harness) -> None:
    await harness.append("s", message())
    (part,) = await shown(harness)
    assert len(part["tool_output"]) <= 2_000
    found = await verbs(harness).tool_result("s", part["tool_output_ref"], limit=-1)
    assert found.text == LONG
    assert found.facts["message_id"] == "m-1"
    assert await harness.engine.read(part["tool_output_storage_uri"]) == LONG


async def test_an_output_too_large_for_the_ledger_is_whole_as_well(harness: Harness) -> None:
    text = "ü" * 3_000_000
    await harness.append("s", message(text))
    (facts,) = await verbs(harness).tool_results("s")
    assert (await verbs(harness).tool_result("s", facts["tool_result_id"], limit=-1)).text == text


async def test_a_message_sent_twice_leaves_one_output(harness: Harness) -> None:
    await harness.append("s", message())
    before = await harness.state()
    assert (await harness.append("s", message())).added == 0
    assert (await harness.append("s", message(LONG + "another"))).added == 0
    assert await harness.state() == before


async def test_a_refused_batch_leaves_nothing(harness: Harness) -> None:
    await harness.append("s", "hello")
    before = await harness.state()
    with pytest.raises(Invalid):
        await harness.append("s", message(), {"role": "user"})
    assert await harness.state() == before


async def test_outputs_are_listed_newest_first_and_by_tool(harness: Harness) -> None:
    await harness.append("s", message())
    harness.clock.advance(1.0)
    other = {"type": "tool", "tool_id": "b", "tool_name": "web", "tool_output": LONG + "2"}
    await harness.append("s", message(id="m-2", parts=[other]))
    assert [f["tool_name"] for f in await verbs(harness).tool_results("s")] == ["web", "bash"]
    assert [f["tool_name"] for f in await verbs(harness).tool_results("s", limit=1)] == ["web"]
    assert [f["tool_id"] for f in await verbs(harness).tool_results("s", tool_name="bash")] == ["call_7"]
    assert await verbs(harness).tool_results("s", tool_name="none") == []


async def test_a_stretch_is_counted_in_characters(harness: Harness) -> None:
    await harness.append("s", message("äöü" * 10_000))
    (facts,) = await verbs(harness).tool_results("s")
    found = await verbs(harness).tool_result("s", facts["tool_result_id"], offset=1, limit=3)
    assert (found.text, found.chars_total) == ("öüä", 30_000)


async def test_an_output_is_searched_whatever_the_case(harness: Harness) -> None:
    await harness.append("s", message())
    (facts,) = await verbs(harness).tool_results("s")
    ((at, snippet),) = await verbs(harness).search_tool_result("s", facts["tool_result_id"], "JASMINE", context_chars=4)
    assert (LONG[at : at + 7], snippet) == ("jasmine", " is jasmine\n")


@pytest.mark.parametrize("output_id", ["tr_never_0000000000000000", "..", "tr_/../x", "messages", ""])
async def test_an_output_that_is_not_there_is_not_found(harness: Harness, output_id: str) -> None:
    await harness.append("s", message())
    with pytest.raises(NotFound):
        await verbs(harness).tool_result("s", output_id)


async def test_an_output_is_its_users_alone(harness: Harness) -> None:
    await harness.append("s", message())
    (facts,) = await verbs(harness).tool_results("s")
    bob = harness.engine.as_caller(Caller(user="bob")).sessions
    with pytest.raises(NotFound):
        await bob.tool_result("s", facts["tool_result_id"])


async def test_the_session_shows_its_outputs_and_grep_reads_them(harness: Harness) -> None:
    await harness.append("s", message())
    assert f"{ROOT}/tool-results" in [str(n.uri) for n in await harness.engine.ls(ROOT)]
    assert len((await harness.engine.grep(f"{ROOT}/tool-results", "jasmine")).matches) == 1


async def test_a_forgotten_message_takes_its_output_along(harness: Harness) -> None:
    await harness.append("s", message(), "stay")
    (facts,) = await verbs(harness).tool_results("s")
    await harness.engine.rm(f"{ROOT}/messages/m-1.md")
    assert await verbs(harness).tool_results("s") == []
    with pytest.raises(NotFound):
        await verbs(harness).tool_result("s", facts["tool_result_id"])


async def test_a_deleted_session_leaves_no_output(harness: Harness) -> None:
    before = (await harness.engine.usage()).blob_bytes
    await harness.append("s", message("z" * 200_000))
    await harness.engine.sessions.delete("s")
    await harness.settle()
    assert (await harness.engine.usage()).nodes < 20
    with pytest.raises(NotFound):
        await verbs(harness).tool_results("s")
    assert before == 0


async def test_several_tool_parts_of_a_user_are_messages_of_their_own_with_their_outputs(harness: Harness) -> None:
    parts = [message(LONG + str(i))["parts"][0] for i in range(2)]
    did = await harness.append("s", {"role": "user", "id": "u", "parts": parts})
    assert (did.added, did.message_ids) == (2, ("u", "u.1"))
    assert [f["message_id"] for f in sorted(await verbs(harness).tool_results("s"), key=lambda f: f["message_id"])] == [
        "u",
        "u.1",
    ]
