"""The model port: the suite of every adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from recalld.adapters.model import extractive
from recalld.domain.document import EXTRACTIVE, Document
from recalld.domain.policy import ABSTRACT_CHARS_MAX, OVERVIEW_CHARS_MAX
from recalld.domain.session import Message
from recalld.ports.model import Child, Model
from recalld.ports.plugin import Plugin

PLUGINS: list[Plugin] = [extractive.plugin]
TALK = tuple(
    Message(f"m{i}", "user", (), f"Please remember that I moved to Lisbon on {i + 1} May 2020.", at=1.6e9 + i * 86_400)
    for i in range(30)
)


@pytest.fixture(params=PLUGINS, ids=[plugin.name for plugin in PLUGINS])
async def model(request: pytest.FixtureRequest) -> AsyncIterator[Model]:
    model: Model = request.param.make(request.param.settings())
    yield model
    await model.close()


async def test_a_model_has_a_name_and_a_version(model: Model) -> None:
    assert model.name
    assert model.version


async def test_a_documents_tiers_keep_their_sizes(model: Model) -> None:
    for text in ("", "word " * 50_000, "# Head\n\nOne sentence. " * 500):
        tiers = await model.tiers_of_document("a.md", Document("text/markdown", text))
        assert 0 < len(tiers.abstract) <= ABSTRACT_CHARS_MAX
        assert len(tiers.overview) <= OVERVIEW_CHARS_MAX
        assert tiers.made_by == EXTRACTIVE


async def test_a_directorys_tiers_keep_their_sizes(model: Model) -> None:
    children = tuple(Child(f"file_{i}.md", i % 2 == 0, "Some words. More words.") for i in range(300))
    tiers = await model.tiers_of_directory("viking://resources/docs", "docs", children, 1_000)
    assert 0 < len(tiers.abstract) <= ABSTRACT_CHARS_MAX
    assert len(tiers.overview) <= OVERVIEW_CHARS_MAX


async def test_an_archives_tiers_keep_their_sizes(model: Model) -> None:
    tiers = await model.tiers_of_archive(TALK)
    assert 0 < len(tiers.abstract) <= ABSTRACT_CHARS_MAX
    assert len(tiers.overview) <= OVERVIEW_CHARS_MAX


async def test_memories_quote_messages_of_the_archive_under_keys_of_their_own(model: Model) -> None:
    found = await model.memories(TALK)
    assert found
    assert len({candidate.key for candidate in found}) == len(found)
    for candidate in found:
        assert set(candidate.message_ids) <= {message.id for message in TALK}
        assert candidate.path.startswith("events/")


async def test_the_same_question_gets_the_same_answer(model: Model) -> None:
    assert await model.memories(TALK) == await model.memories(TALK)
    assert await model.tiers_of_archive(TALK) == await model.tiers_of_archive(TALK)
