"""The contract of a lexicon."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recalld.adapters.lexicon.memory import MemoryLexicon
from recalld.adapters.sqlite.lexicon.fts5 import Fts5Lexicon
from recalld.domain.uri import Uri
from recalld.ports.index import SearchScope
from recalld.rules.tokens import query_terms, terms
from tests.index_builder import IndexBuilder, LivePartition


class Filled:
    """A lexicon with texts of two partitions; ``ask`` returns postings as {text number: {term: count}}."""

    def __init__(self, kind: str) -> None:
        self.builder, self.memory = IndexBuilder(), MemoryLexicon()
        self.lexicon: Any = Fts5Lexicon(self.builder) if kind == "fts5" else self.memory
        self.ids: dict[int, list[int]] = {}

    def write(self, user: str, texts: list[str]) -> int:
        partition_id = self.builder.partition_id(user)
        known = set(self.ids.get(partition_id, []))
        start = len(known)
        self.builder.add_turns(user, "s", [(f"m{start + i}", "user", text, 0.0) for i, text in enumerate(texts)])
        rows = [
            r[0] for r in self.builder.c.execute("SELECT id FROM chunk WHERE owner = ? ORDER BY id", (partition_id,))
        ]
        for chunk, text in zip(sorted(set(rows) - known), texts, strict=True):
            self.memory.put(partition_id, {chunk: (*terms(" 1 January 1970"), *terms(text))})
        self.ids[partition_id] = rows
        return partition_id

    def scope(self, *partition_ids: int, only: list[int] | None = None) -> SearchScope:
        chunks = tuple(np.array([i for i in self.ids[o] if only is None or i in only], np.int64) for o in partition_ids)
        return SearchScope(
            partition_ids, chunks, tuple(LivePartition(np.array(self.ids[o], np.int64)) for o in partition_ids), 0
        )

    async def ask(self, text: str, scope: SearchScope) -> Any:
        query = query_terms(text)
        return await self.lexicon.match(scope, tuple(dict.fromkeys(query)), query)


@pytest.fixture(params=["fts5", "memory"])
def filled(request: pytest.FixtureRequest) -> Filled:
    return Filled(request.param)


async def test_postings_say_where_and_how_often(filled: Filled) -> None:
    partition_id = filled.write("ana", ["red apple red", "green pear", "red pear"])
    found = await filled.ask("red", filled.scope(partition_id))
    first, _, third = filled.ids[partition_id]
    assert list(zip(found.chunk.tolist(), found.count.tolist(), strict=True)) == [(first, 2.0), (third, 1.0)]
    assert (found.document_frequency.tolist(), found.chunks) == ([2.0], 3)


async def test_text_of_another_partition_is_never_found(filled: Filled) -> None:
    mine, _ = filled.write("ana", ["red apple"]), filled.write("bob", ["red car", "red wine"])
    found = await filled.ask("red", filled.scope(mine))
    assert found.chunk.tolist() == filled.ids[mine]
    assert found.document_frequency.tolist() == [1.0]


async def test_only_chunks_in_scope_are_found(filled: Filled) -> None:
    partition_id = filled.write("ana", ["red one", "red two", "red three"])
    second = filled.ids[partition_id][1]
    assert (await filled.ask("red", filled.scope(partition_id, only=[second]))).ids.tolist() == [second]


async def test_what_was_just_written_is_found(filled: Filled) -> None:
    partition_id = filled.write("ana", ["red one"])
    await filled.ask("red", filled.scope(partition_id))
    filled.write("ana", ["red two"])
    assert (await filled.ask("red", filled.scope(partition_id))).ids.tolist() == filled.ids[partition_id]


async def test_a_phrase_is_found_where_its_words_stand_in_a_row(filled: Filled) -> None:
    partition_id = filled.write("ana", ["green boats sail home", "boats green sail home", "sail home green boats"])
    assert (await filled.ask("green boats sail", filled.scope(partition_id))).phrase.tolist() == filled.ids[
        partition_id
    ][:1]


async def test_several_partitions_are_searched_as_one(filled: Filled) -> None:
    partition_ids = filled.write("ana", ["red apple"]), filled.write("bob", ["red car"])
    found = await filled.ask("red", filled.scope(*partition_ids))
    assert found.ids.tolist() == sorted(filled.ids[partition_ids[0]] + filled.ids[partition_ids[1]])
    assert found.document_frequency.tolist() == [2.0]


async def test_a_lone_character_is_found_wherever_it_stands(filled: Filled) -> None:
    partition_id = filled.write("ana", ["我养了小猫", "猫喜欢鱼", "三只狗在睡觉"])
    assert (await filled.ask("猫", filled.scope(partition_id))).ids.tolist() == filled.ids[partition_id][:2]


@pytest.mark.parametrize("text", ["", "the of and", "\x00\x01", '" OR NEAR(', "zzz " * 200, "🙂"])
async def test_odd_questions_are_answered(filled: Filled, text: str) -> None:
    partition_id = filled.write("ana", ["red apple"])
    assert (await filled.ask(text, filled.scope(partition_id))).chunk.tolist() == []


async def test_common_terms_find_when_there_is_nothing_rarer() -> None:
    filled = Filled("fts5")
    partition_id = filled.write("ana", [f"red w{i} red red" for i in range(600)])
    found = await filled.ask("red", filled.scope(partition_id))
    assert len(found.ids) == 600
    assert found.selective.tolist() == [True]


async def test_common_terms_only_rescore_what_rarer_ones_found() -> None:
    filled = Filled("fts5")
    partition_id = filled.write("ana", [f"red w{i} red red" for i in range(600)])
    found = await filled.ask("red w7", filled.scope(partition_id))
    assert found.ids.tolist() == [filled.ids[partition_id][7]]
    assert found.selective.tolist() == [False, True]


async def test_removed_text_is_not_found() -> None:
    filled = Filled("fts5")
    partition_id = filled.builder.partition_id("")
    here = Uri(("resources", "a.txt"))
    filled.builder.file(here, "red apple")
    filled.builder.file(here, "green pear")
    filled.ids[partition_id] = [r[0] for r in filled.builder.c.execute("SELECT id FROM chunk")]
    assert (await filled.ask("apple", filled.scope(partition_id))).ids.tolist() == []
    assert len((await filled.ask("pear", filled.scope(partition_id))).ids) == 1
