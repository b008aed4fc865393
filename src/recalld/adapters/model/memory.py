"""The twin: fixed words, no thinking, strict about what it is given."""

from __future__ import annotations

from dataclasses import dataclass

from recalld.domain.document import Document, Tiers
from recalld.domain.errors import Closed, Invalid
from recalld.domain.session import Message
from recalld.ports.model import Candidate, Child
from recalld.ports.plugin import Plugin


@dataclass(frozen=True, slots=True)
class MemoryModelSettings:
    """``memory_word``: messages that hold this word become memories."""

    memory_word: str = "remember"


class MemoryModel:
    """Answers that tell what was asked. Raises ``Invalid`` for inputs no use case should send and ``Closed`` when shut."""

    name = "memory"
    version = "1"

    def __init__(self, settings: MemoryModelSettings | None = None) -> None:
        self._settings = settings or MemoryModelSettings()
        self._closed = False

    async def tiers_of_document(self, name: str, document: Document) -> Tiers:
        """``abstract of NAME``."""
        self._check(bool(name), "a document has a name")
        return Tiers(
            f"abstract of {name}"[:256], f"overview of {name}: {len(document.text)} characters"[:4_000], "memory"
        )

    async def tiers_of_directory(self, uri: str, title: str, children: tuple[Child, ...], total: int) -> Tiers:
        """``abstract of URI`` and its children's names."""
        self._check(uri.startswith("viking://"), "a directory is named by its address")
        self._check(total >= len(children), "total counts the children")
        names = ", ".join(child.name for child in children)
        return Tiers(f"abstract of {uri}"[:256], f"overview of {uri}: {names}"[:4_000], "memory")

    async def tiers_of_archive(self, messages: tuple[Message, ...]) -> Tiers:
        """How many messages there are."""
        self._check(bool(messages), "an archive has messages")
        return Tiers(f"archive of {len(messages)}", f"overview of {messages[0].id} to {messages[-1].id}", "memory")

    async def memories(self, messages: tuple[Message, ...]) -> tuple[Candidate, ...]:
        """One candidate for every message with the word."""
        self._check(bool(messages), "an archive has messages")
        return tuple(
            Candidate(
                m.id, "event", f"events/1970/01/01/{m.id}.md", f"# {m.id}\n\n> {m.text}", (m.id,), m.at, m.peer_id
            )
            for m in messages
            if self._settings.memory_word in m.text
        )

    async def close(self) -> None:
        """From here on everything raises."""
        self._closed = True

    def _check(self, holds: bool, fact: str) -> None:
        if self._closed:
            raise Closed("this model is closed")
        if not holds:
            raise Invalid(f"the model was called incorrectly: {fact}", remedy="fix the caller")


plugin = Plugin(kind="model", name="memory", settings=MemoryModelSettings, make=MemoryModel)
