"""Chunking."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recalld.domain.document import Chunk, Document, Section, Tiers
from recalld.domain.policy import CHUNK_WORDS
from recalld.domain.uri import Uri
from recalld.rules import chunks as cutting
from recalld.rules.chunks import CHUNKS_MAX, chunks_of_file, chunks_of_message, chunks_of_tiers
from recalld.rules.transcript_header import transcript_header

HERE = Uri(("resources", "guides", "deploy-notes.md"))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab .\n?字か", max_size=3_000))
def test_every_visible_character_lies_in_a_chunk(text: str) -> None:
    covered = set()
    for chunk in chunks_of_message(text, "ana", 0.0):
        assert 0 <= chunk.start <= chunk.end <= len(text)
        covered.update(range(chunk.start, chunk.end))
    assert all(c.isspace() for i, c in enumerate(text) if i not in covered)


def test_a_turn_carries_its_speaker_and_its_day() -> None:
    (chunk,) = chunks_of_message("I went hiking", "Caroline", 0.0, "2023-05-08T13:56")
    assert chunk.terms[:4] == ("carolin", "8", "may", "2023")


def test_a_role_is_no_name() -> None:
    (chunk,) = chunks_of_message("I went hiking", "user", 0.0)
    assert "user" not in chunk.terms


def test_an_empty_turn_is_found_by_speaker_and_date() -> None:
    assert len(chunks_of_message("", "Ana", 0.0)) == 1


def test_a_question_is_marked() -> None:
    assert [c.asks for c in chunks_of_message("Where to?", "a", 0.0)] == [True]
    assert [c.asks for c in chunks_of_message("你好吗？", "a", 0.0)] == [True]
    assert [c.asks for c in chunks_of_message("Home.", "a", 0.0)] == [False]


def test_long_talk_is_cut_with_overlap() -> None:
    chunks = chunks_of_message(" ".join(f"w{i}" for i in range(400)), "a", 0.0)
    assert 5 <= len(chunks) <= 8
    assert all(later.start < former.end for former, later in zip(chunks, chunks[1:], strict=False))


def test_a_script_without_spaces_is_cut_by_characters() -> None:
    chunks = chunks_of_message("字" * 1_000, "a", 0.0)
    assert all(c.end - c.start <= 2 * CHUNK_WORDS for c in chunks)


def test_a_short_file_is_whole_and_a_longer_one_is_cut() -> None:
    sections = tuple(Section(f"s{i}", 2, f"## s{i}\n" + "word " * 90 + "\n") for i in range(6))
    counts = []
    for some in (sections[:4], sections):
        text = "".join(s.text for s in some)
        counts.append(len(chunks_of_file(HERE, Document("text/markdown", text, sections=some))))
    assert counts[0] == 1
    assert counts[1] > 2


def test_only_people_and_users_have_standing_instructions() -> None:
    text = "Always answer briefly."
    assert [chunks_of_message(text, who, 0.0)[0].traits for who in ("user", "Ana", "assistant", "tool")] == [1, 1, 0, 0]
    assert chunks_of_file(HERE, Document("text/plain", f"user: {text}"))[0].traits == 1
    assert chunks_of_file(HERE, Document("text/plain", text))[0].traits == 0


def test_a_huge_text_has_a_bounded_number_of_chunks_and_no_gap() -> None:
    text = "one two three " * 200_000
    chunks = chunks_of_file(HERE, Document("text/plain", text))
    assert len(chunks) <= CHUNKS_MAX
    assert chunks[-1].end >= len(text) - 1


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds in small: 60 chunks a node."""
    monkeypatch.setattr(cutting, "CHUNKS_MAX", 60)
    monkeypatch.setattr(cutting, "STRETCHES_MAX", 15)
    monkeypatch.setattr(cutting, "WINDOWS_MAX", 40)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("unit", ["字", "字句。", "one two ", "ab", "x.\n", "한 ", "a" * 63 + " ", "ไทย"])
@pytest.mark.parametrize("length", [3_000, 40_000])
def test_no_text_is_cut_off_whatever_it_is_written_in(unit: str, length: int) -> None:
    text = unit * (length // len(unit))
    for chunks in (chunks_of_message(text, "ana", 0.0), chunks_of_file(HERE, Document("text/plain", text))):
        assert len(chunks) <= cutting.CHUNKS_MAX
        assert chunks[0].start == 0
        assert chunks[-1].end >= len(text.rstrip())
        assert all(later.start <= former.end + 1 for former, later in zip(chunks, chunks[1:], strict=False))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("words", [1, 20])
def test_no_section_of_many_is_cut_off(words: int) -> None:
    sections = tuple(Section(f"v{i}", 2, f"## v{i}\n" + f"entry{i} " * words + "\n") for i in range(500))
    text = "".join(s.text for s in sections)
    chunks = chunks_of_file(HERE, Document("text/markdown", text, sections=sections))
    assert len(chunks) <= cutting.CHUNKS_MAX
    assert {f"entry{i}" for i in range(500)} <= {term for chunk in chunks for term in chunk.terms}


def test_a_long_chinese_text_is_whole_at_its_real_size() -> None:
    text = "字" * 400_000
    chunks = chunks_of_file(HERE, Document("text/plain", text))
    assert (len(chunks) <= CHUNKS_MAX, chunks[-1].end) == (True, len(text))


def test_encoded_bytes_make_no_chunks() -> None:
    encoded = "iVBORw0KGgo" + "QUJD0/+x" * 30_000
    chunks = chunks_of_file(
        HERE, Document("text/markdown", f"Facing it. ![chart](data:image/png;base64,{encoded}) behind it.")
    )
    assert len(chunks) == 1
    assert {"face", "chart"} <= set(chunks[0].terms)
    assert len(chunks[0].terms) < 40


def test_path_data_is_in_no_chunk_and_the_file_is_found_by_its_name() -> None:
    paths = "M8.352 230.161C8.397 229.901 8.404 229.44 8.51 228.2L14.2 18.75Z " * 40
    (chunk,) = chunks_of_file(HERE, Document("text/plain", paths))
    assert (chunk.start, chunk.end) == (0, 0)
    assert {"deploy", "note"} <= set(chunk.terms)


def test_the_words_around_path_data_are_in_chunks() -> None:
    paths = "M8.352 230.161C8.397 229.901 8.404 229.44 8.51 228.2L14.2 18.75Z " * 100
    sections = (Section("Logo", 1, "# Logo\n" + paths + "\n"), Section("Use", 1, "# Use\n" + "wording " * 400))
    text = "".join(section.text for section in sections)
    chunks = chunks_of_file(HERE, Document("text/markdown", text, sections=sections))
    assert {"logo", "word"} <= {term for chunk in chunks for term in chunk.terms}
    assert all(chunk.start >= len(sections[0].text) for chunk in chunks[1:])


def test_a_file_is_found_by_its_name_title_and_heading() -> None:
    sections = (
        Section("Alpha", 1, "# Alpha\n" + "text " * 400),
        Section("Rollback", 1, "# Rollback\n" + "more " * 400),
    )
    text = "".join(s.text for s in sections)
    chunks = chunks_of_file(HERE, Document("text/markdown", text, title="Shipping", sections=sections))
    assert all({"deploy", "note", "ship"} <= set(c.terms) for c in chunks)
    assert "rollback" in chunks[-1].terms
    assert "rollback" not in chunks[0].terms


def test_indexable_text_is_carried_in_the_chunks() -> None:
    document = Document("text/html", "<p>Hello there</p>", indexable="Hello there")
    assert [c.text for c in chunks_of_file(HERE, document)] == ["Hello there"]


def test_a_file_that_is_a_turn_is_cut_like_one() -> None:
    (chunk,) = chunks_of_file(HERE, Document("text/markdown", "[2023-05-08T13:56] Caroline: I went hiking"))
    assert chunk.terms == ("carolin", "8", "may", "2023", "went", "hike")


def test_a_description_is_no_turn() -> None:
    assert transcript_header("Weather: gives the weather of a place") is None


def test_tiers_have_a_chunk_each() -> None:
    assert [c.level for c in chunks_of_tiers(HERE, Tiers("short", "long"))] == [0, 1]
    assert chunks_of_tiers(HERE, Tiers("")) == ()


def test_an_append_to_a_long_text_keeps_earlier_chunks() -> None:
    def cut(count: int) -> tuple[Chunk, ...]:
        text = "".join(f"line {i} of the log says something.\n" for i in range(count))
        return chunks_of_file(HERE, Document("text/plain", text))

    before, after = cut(60_000), cut(61_000)
    same = sum(1 for one, other in zip(before, after, strict=False) if one == other)
    assert same >= len(before) - 2
