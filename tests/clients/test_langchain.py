"""The published LangChain integration against a running server: the results of ``drive/lang_chain.py``."""

from __future__ import annotations

import pytest

from tests.clients.running import StepResults, drive
from tests.live import Server

pytestmark = pytest.mark.clients
TEA = "viking://user/ana/memories/preferences/ana/tea.md"
SEAT = {"text": "Ana prefers the window seat"}


@pytest.fixture(scope="module")
def chain(server: Server, tmp_path_factory: pytest.TempPathFactory) -> StepResults:
    where = f"http://127.0.0.1:{server.port}"
    return drive("langchain", "lang_chain.py", tmp_path_factory.mktemp("langchain") / "home", where)


def test_the_retriever_gives_documents(chain: StepResults) -> None:
    text, about = chain["retriever"][0]
    assert "oolong" in text
    assert (about["source"], about["openviking_level"]) == (TEA, 2)
    assert chain["retriever_reads"] == ["# Pump\n\nThe pump must be oiled each morning.\n"]
    assert chain["retriever_async"] > 0


def test_the_address_without_a_user_means_the_callers_own(chain: StepResults) -> None:
    assert any("oolong" in text for text in chain["retriever_default_target"])


def test_a_history_is_kept_and_cleared(chain: StepResults) -> None:
    before, after = chain["history"]
    assert before == [["human", "We move to Lisbon in March."], ["ai", "Noted."]]
    assert after == 0


def test_a_recorder_writes_tools_too_and_commits(chain: StepResults) -> None:
    wrote, session, archived = chain["recorder"]
    assert wrote == 4
    assert (session["commit_count"], session["message_count"]) == (1, 0)
    assert [message["role"] for message in archived][0] == "user"
    parts = [part for message in archived for part in message["parts"]]
    assert any(part["type"] == "tool" and part.get("tool_name") == "ls" for part in parts)


def test_context_holds_the_session_and_what_is_recalled(chain: StepResults) -> None:
    assert "The deploy key is in the safe." in chain["assembler"]
    assert "oolong" in chain["assembler"]
    answer, seen, count = chain["runnable"]
    assert "It is oolong." in answer
    assert "Ana prefers oolong" in seen
    assert count == 2


@pytest.mark.parametrize("step", ["store_at_its_default", "store_at_its_full_address"])
def test_a_store_keeps_finds_lists_and_forgets(chain: StepResults, step: str) -> None:
    value, found, every, spaces, gone = chain[step]
    assert value == SEAT
    assert ["seat", SEAT] in found
    assert every == ["crane", "seat"]
    assert spaces == [["ana", "facts"]]
    assert gone is None


def test_every_tool_is_offered(chain: StepResults) -> None:
    assert len(chain["tool_names"]) == 12
    assert "component_count" in chain["tool_health"]


def test_tools_look_around(chain: StepResults) -> None:
    assert TEA in chain["tool_find"]
    assert "viking://resources/notes/pump.md" in chain["tool_search"]
    assert "viking://resources/notes" in chain["tool_browse"]
    assert "oiled each morning" in chain["tool_read"]
    assert "oolong" in chain["tool_read"]
    assert "pump.md" in chain["tool_grep"]


def test_tools_add(chain: StepResults) -> None:
    _, session = chain["tool_store"]
    assert (session["commit_count"], session["total_message_count"]) == (1, 1)
    assert "viking://resources/hand" in chain["tool_add_resource"]
    assert "brew-tea" in chain["tool_add_skill"]


def test_tools_open_an_archive(chain: StepResults) -> None:
    assert "List the files." in chain["tool_archive_expand"]
    assert "files" in chain["tool_archive_search"]


def test_a_tool_forgets(chain: StepResults) -> None:
    answer, left = chain["tool_forget"]
    assert "removed" in answer
    assert TEA not in [hit["uri"] for hit in left]
