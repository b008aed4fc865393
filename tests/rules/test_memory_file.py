"""Files of memories proposed by a language model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.session import Message
from recalld.domain.uri import Uri
from recalld.rules import memory_footer
from recalld.rules.llm_output_parser import ProposedMemory
from recalld.rules.memory_file import MESSAGE_TOKENS, memory, stretches


def msg(at: int, text: str = "I moved to Lisbon.", peer: str = "") -> Message:
    return Message(f"id{at}", "user", (), text, at=1.7e9 + at, peer_id=peer, ordinal=at)


@given(st.text(min_size=1, max_size=80), st.sampled_from(["events", "preferences", "entities"]))
def test_no_title_leads_out_of_the_memory_tree(title: str, kind: str) -> None:
    file = memory(ProposedMemory(kind, title, "Ana moved.", ("m0",)), {"m0": msg(0)})
    uri = Uri.parse(f"viking://user/ana/memories/{file.path}")
    assert uri.parts[:4] == ("user", "ana", "memories", kind)
    assert len(uri.parts) == (8 if kind == "events" else 5)
    assert ".." not in uri.parts


def test_the_quotation_is_the_messages_own_words() -> None:
    file = memory(
        ProposedMemory("events", "Moved", "Ana lives in Lisbon.", ("m1", "m0")),
        {"m0": msg(0), "m1": msg(1, "It rains.")},
    )
    assert file.message_ids == ("id0", "id1")
    assert "> I moved to Lisbon." in file.text
    assert "> It rains." in file.text
    assert memory_footer.read(file.text)["messages"] == ["id0", "id1"]


def test_the_same_proposal_has_the_same_place() -> None:
    proposal = ProposedMemory("events", "Moved", "Ana moved.", ("m0",))
    assert memory(proposal, {"m0": msg(0)}) == memory(proposal, {"m0": msg(0)})


@given(st.lists(st.tuples(st.sampled_from(["", "ana", "bo"]), st.integers(0, 900))))
def test_stretches_lose_nothing_and_mix_no_peers(lengths: list[tuple[str, int]]) -> None:
    messages = [msg(i, "x" * n, peer) for i, (peer, n) in enumerate(lengths)]
    found = stretches(messages, tokens_max=100)
    assert sorted(m.ordinal for part in found for m in part) == list(range(len(messages)))
    for part in found:
        assert len({m.peer_id for m in part}) == 1
        assert len(part) == 1 or sum(len(m.text) // 4 + MESSAGE_TOKENS for m in part) <= 100


def test_a_long_message_is_sent_to_its_end() -> None:
    long = msg(0, "It rains. " * 1_000 + "I moved to Lisbon.")
    pieces = [piece for stretch in stretches([long, msg(1)]) for piece in stretch]
    assert "".join(piece.text for piece in pieces if piece.id == "id0") == long.text
    file = memory(
        ProposedMemory("events", "Moved", "Ana lives in Lisbon.", ("a", "b")), {"a": pieces[0], "b": pieces[-2]}
    )
    assert file.message_ids == ("id0",)
