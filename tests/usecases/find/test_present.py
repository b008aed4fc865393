"""What an answer shows of its hits, on a real engine."""

from __future__ import annotations

from typing import Any

from recalld.adapters.sqlite.ledger.tenant import SqliteTenant
from recalld.domain.caller import Caller
from recalld.domain.commit import INLINE_BYTES_MAX
from recalld.domain.node import ContextType
from recalld.domain.query import Answer, Hit, Query, Selection
from recalld.domain.uri import Uri
from recalld.usecases.find import present as presenting
from tests.harness import Harness

GUIDE = "# Guide\n\n## Retries\n\nThe client waits.\n\n## Quorum\n\nA quorum of three nodes decides.\n"
PATHS = "M8.35 230.161C8.397 229.901 8.404 229.44 8.51 228.2L14.2 18.75C9.1 2.25 8.2 1.5 7.5 0.25Z" * 8
ALL = {"passages": True, "fold": True, "gap": True}


async def find(harness: Harness, query: str, **options: Any) -> Answer:
    return await harness.engine.find(query, **{"score_threshold": 0.0, **options})


async def only_hit(harness: Harness, query: str) -> Hit:
    (hit,) = (await find(harness, query, passages=True)).hits
    return hit


async def test_a_passage_has_its_headings_and_lines(harness: Harness) -> None:
    await harness.write("viking://resources/guide.md", GUIDE)
    passage = (await only_hit(harness, "what does the quorum decide")).passage
    assert passage is not None
    assert passage.text == "A quorum of three nodes decides."
    assert (passage.headings, passage.line_start, passage.line_end) == (("Guide", "Quorum"), 9, 9)
    assert [passage.text[a:b] for a, b in passage.marks] == ["quorum", "decides"]


async def test_the_passage_of_a_file_outside_the_database_is_its_own(harness: Harness) -> None:
    text = "Filler words of no use.\n" * (INLINE_BYTES_MAX // 20) + "\nThe quorum decides.\n"
    await harness.write("viking://resources/long.md", text)
    await harness.settle()
    passage = (await only_hit(harness, "quorum")).passage
    assert passage is not None
    assert "The quorum decides." in passage.text
    assert passage.line_end == text.count("\n")


async def test_a_message_shows_its_words_without_lines(harness: Harness) -> None:
    await harness.append("s", "I sold the boat. " + "Nothing else happened. " * 40)
    passage = (await only_hit(harness, "who sold the boat")).passage
    assert passage is not None
    assert passage.text.startswith("I sold the boat.")
    assert (passage.line_start, passage.headings) == (0, ())


async def test_a_passage_of_html_has_no_lines(harness: Harness) -> None:
    await harness.write("viking://resources/page.html", "<html><body><p>The quorum decides.</p></body></html>")
    passage = (await only_hit(harness, "quorum")).passage
    assert passage is not None
    assert (passage.text, passage.line_start) == ("The quorum decides.", 0)


async def test_without_a_selection_an_answer_has_no_passages(harness: Harness) -> None:
    await harness.write("viking://resources/guide.md", GUIDE)
    (hit,) = (await find(harness, "quorum")).hits
    assert (hit.passage, hit.folded) == (None, ())


async def test_texts_are_read_in_one_statement(harness: Harness, monkeypatch: Any) -> None:
    for k in range(4):
        await harness.write(
            f"viking://resources/{k}.md", f"# Page {k}\n\nThe quorum number {k} decides about item{k}.\n"
        )
    calls: list[Any] = []
    read = SqliteTenant._read
    monkeypatch.setattr(SqliteTenant, "_read", lambda self, work: calls.append(work) or read(self, work))
    assert len((await find(harness, "quorum", passages=True)).hits) == 4
    assert len(calls) == 1


async def test_copies_are_one_hit_that_names_the_others(harness: Harness) -> None:
    for name in ("a", "b", "c"):
        await harness.write(f"viking://resources/{name}.md", GUIDE)
    answer = await find(harness, "quorum", fold=True)
    assert len(answer.hits) == 1
    shown = {answer.hits[0].uri, *answer.hits[0].folded}
    assert {str(uri) for uri in shown} == {f"viking://resources/{name}.md" for name in ("a", "b", "c")}


async def test_texts_that_differ_in_a_word_of_many_are_folded(harness: Harness) -> None:
    text = "The quorum decides. " + " ".join(f"word{k}" for k in range(100))
    await harness.write("viking://resources/a.md", text)
    await harness.write("viking://resources/b.md", text.replace("word99", "other"))
    await harness.write("viking://resources/c.md", "The quorum of the senate was not present on that day.")
    assert len((await find(harness, "quorum", fold=True)).hits) == 2


async def test_folding_makes_space_for_other_hits(harness: Harness) -> None:
    for k in range(4):
        await harness.write(f"viking://resources/copy{k}.md", "# Quorum\n\nThe quorum decides about the quorum.\n")
    await harness.write("viking://resources/other.md", "Long ago, a senate without its quorum went home early.\n")
    answer = await find(harness, "quorum", limit=2, fold=True)
    assert [len(hit.folded) for hit in answer.hits] == [3, 0]


async def test_hits_far_below_the_best_are_left_out_and_counted(harness: Harness) -> None:
    found = Answer(
        tuple(Hit(Uri.parse(f"viking://resources/{k}"), ContextType.RESOURCE, 2, k / 10, "") for k in (8, 4, 3, 1))
    )
    answer = await presenting.present(
        found, Query("x", limit=3), Selection(gap=True), Caller(), harness.ports, deadline_s=1.0
    )
    assert ([hit.score for hit in answer.hits], answer.weaker) == ([0.8, 0.4], 1)


async def test_path_data_is_not_shown_unless_its_file_is_named(harness: Harness) -> None:
    await harness.write("viking://resources/notes.md", "The heron stands by the water.\n")
    await harness.write("viking://resources/logo.txt", PATHS)
    assert [hit.uri.name for hit in (await find(harness, "heron", **ALL)).hits] == ["notes.md"]
    hits = (await find(harness, "logo", **ALL)).hits
    assert [(hit.passage, "8.35" in hit.abstract) for hit in hits if hit.uri.name == "logo.txt"] == [(None, False)]


async def test_texts_that_cannot_be_read_in_time_are_named(harness: Harness, monkeypatch: Any) -> None:
    await harness.write("viking://resources/guide.md", GUIDE)

    async def late(*_: Any, **__: Any) -> Any:
        raise TimeoutError

    monkeypatch.setattr(SqliteTenant, "chunk_texts", late)
    answer = await find(harness, "quorum", **ALL)
    assert answer.degraded == (presenting.TEXTS,)
    assert [hit.passage for hit in answer.hits] == [None]


async def test_a_search_with_a_session_marks_the_questions_own_words(harness: Harness) -> None:
    await harness.write("viking://resources/guide.md", GUIDE)
    await harness.append("s", "tell me about nodes and clients")
    answer = await harness.engine.search(
        "quorum", session_id="s", score_threshold=0.0, passages=True, context_type="resource"
    )
    passage = answer.hits[0].passage
    assert passage is not None
    assert [passage.text[a:b] for a, b in passage.marks] == ["quorum"]


async def test_texts_of_chunks_that_are_gone_or_too_large_are_left_out(harness: Harness) -> None:
    await harness.write("viking://resources/guide.md", GUIDE)
    await harness.write("viking://resources/long.md", "The quorum decides.\n" * (INLINE_BYTES_MAX // 10))
    await harness.settle()
    chunks = {hit.uri.name: hit.chunk for hit in (await find(harness, "quorum")).hits}
    tenant = harness.ports.ledger.tenant(Caller())
    found = await tenant.chunk_texts([*chunks.values(), 999_999], bytes_max=0)
    assert set(found) == {chunks["guide.md"]}
    assert set(await tenant.chunk_texts(list(chunks.values()), bytes_max=10_000_000)) == set(chunks.values())


async def test_a_directorys_abstract_gives_way_to_its_file(harness: Harness) -> None:
    names = (("docs/.abstract.md", 0, 0.6), ("docs/a.md", 2, 0.58), ("other/.overview.md", 1, 0.5))
    found = Answer(
        tuple(
            Hit(Uri.parse(f"viking://resources/{n}"), ContextType.RESOURCE, level, score, "")
            for n, level, score in names
        )
    )
    answer = await presenting.present(found, Query("x"), Selection(fold=True), Caller(), harness.ports, deadline_s=1.0)
    assert [hit.uri.parts[-2:] for hit in answer.hits] == [("docs", "a.md"), ("other", ".overview.md")]
