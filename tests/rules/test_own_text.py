"""A message's own text, without recalled blocks."""

from recalld.domain.results import ContextEntry
from recalld.domain.session import Message
from recalld.domain.uri import Uri
from recalld.rules.chunks import chunks_of_message
from recalld.rules.own_text import chunks_of_own_text, own_text
from recalld.rules.recall_markup import render

BLOCK = render([ContextEntry(Uri(("resources", "x")), "resources", 0.5, "abstract", "zanzibar cloves")])


def message(text: str) -> Message:
    return Message("m", "user", ({"type": "text", "text": text},), text, at=0.0)


def test_a_message_without_quotations_is_cut_as_ever() -> None:
    original = message("Ana drinks oolong.")
    assert own_text([original])[0] is original
    assert chunks_of_own_text(original) == chunks_of_message(original.text, "user", 0.0)


def test_recalled_text_is_in_no_chunk() -> None:
    chunks = chunks_of_own_text(message(f"{BLOCK}\nAna drinks oolong."))
    assert [c.text for c in chunks] == ["Ana drinks oolong."]
    assert not any("clove" in term or "zanzibar" in term for c in chunks for term in c.terms)


def test_parts_stay_as_they_came() -> None:
    original = message(f"{BLOCK}\nhello")
    (own,) = own_text([original])
    assert own.text == "hello"
    assert own.parts == original.parts
