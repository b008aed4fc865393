"""Facts about memories that a language model proposed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.session import Message
from recalld.domain.uri import Uri
from recalld.rules import memory_footer
from recalld.rules.llm_output_parser import ProposedMemory
from recalld.rules.memory_file import MESSAGE_TOKENS, memory, stretches


def said(at: int, text: str = "I moved to Lisbon.", peer: str = "") -> Message:
    return Message(f"id{at}", "user", (), text, at=1.7e9 + at, peer_id=peer, ordinal=at)


@given(st.text(min_size=1, max_size=80), st.sampled_from(["events", "preferences", "entities"]))
def test_no_title_leads_out_of_the_memory_tree(title: str, kind: str) -> None:
    made = memory(ProposedMemory(kind, title, "Ana moved.", ("m0",)), {"m0": said(0)})
    uri = Uri.parse(f"viking://user/ana/memories/{made.path}")
    assert uri.parts[:4] == ("user", "ana", "memories", kind)
    assert len(uri.parts) == (8 if kind == "events" else 5)
    assert ".." not in uri.parts


def test_the_quotation_is_the_messages_own_words() -> None:
    made = memory(
        ProposedMemory("events", "Moved", "Ana lives in Lisbon.", ("m1", "m0")),
        {"m0": said(0), "m1": said(1, "It rains.")},
    )
    assert made.message_ids == ("id0", "id1")
    assert "> I moved to Lisbon." in made.text
    assert "> It rains." in made.text
    assert memory_footer.read(made.text)["messages"] == ["id0", "id1"]


def test_the_same_proposal_has_the_same_place() -> None:
    told = ProposedMemory("events", "Moved", "Ana moved.", ("m0",))
    assert memory(told, {"m0": said(0)}) == memory(told, {"m0": said(0)})


@given(st.lists(st.tuples(st.sampled_from(["", "ana", "bo"]), st.integers(0, 900))))
def test_stretches_lose_nothing_and_mix_no_peers(lengths: list[tuple[str, int]]) -> None:
    talk = [said(i, "x" * n, peer) for i, (peer, n) in enumerate(lengths)]
    found = stretches(talk, tokens_max=100)
    assert sorted(m.ordinal for part in found for m in part) == list(range(len(talk)))
    for part in found:
        assert len({m.peer_id for m in part}) == 1
        assert len(part) == 1 or sum(len(m.text) // 4 + MESSAGE_TOKENS for m in part) <= 100


def test_a_long_message_is_asked_about_to_its_end() -> None:
    long = said(0, "It rains. " * 1_000 + "I moved to Lisbon.")
    pieces = [piece for stretch in stretches([long, said(1)]) for piece in stretch]
    assert "".join(piece.text for piece in pieces if piece.id == "id0") == long.text
    made = memory(
        ProposedMemory("events", "Moved", "Ana lives in Lisbon.", ("a", "b")), {"a": pieces[0], "b": pieces[-2]}
    )
    assert made.message_ids == ("id0",)
