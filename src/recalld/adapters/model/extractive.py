"""Tiers and memories without a language model: sentences chosen from the text itself, nothing invented."""

from __future__ import annotations

from dataclasses import dataclass

from recalld.domain.document import Document, Tiers
from recalld.domain.session import Message
from recalld.infra.thread_pool import Pool
from recalld.ports.compute import Compute
from recalld.ports.model import Candidate, Child
from recalld.ports.plugin import Plugin
from recalld.rules import abstracts, archive_summary, events, overviews

NAME = "extractive"
VERSION = "1"
_ARCHIVE_MESSAGES_AT_ONCE = 4
_DOCUMENT_CHARS_AT_ONCE = 2_000
_CHILDREN_AT_ONCE = 50
"""More than this is read on the pool: it may take longer than a loop should wait."""


@dataclass(frozen=True, slots=True)
class ExtractiveSettings:
    """``waiting_max``: archives that may wait to be read before the caller is told to come back."""

    waiting_max: int = 64


class ExtractiveModel:
    """Pure rules behind the model port. Deterministic: the same input gives the same words."""

    name = NAME
    version = VERSION

    def __init__(self, settings: ExtractiveSettings | None = None, compute: Compute | None = None) -> None:
        """``compute``: where long archives are read; None = a thread of its own, closed with it."""
        self._own = (
            Pool(NAME, running_max=1, waiting_max=(settings or ExtractiveSettings()).waiting_max)
            if compute is None
            else None
        )
        self._compute: Compute | None = compute or self._own

    async def tiers_of_document(self, name: str, document: Document) -> Tiers:
        """L0 and L1 of one file. Raises ``Busy``."""
        if self._compute is None or len(document.text) <= _DOCUMENT_CHARS_AT_ONCE:
            return document_tiers(name, document)
        return await self._compute.run(document_tiers, name, document)

    async def tiers_of_directory(self, uri: str, title: str, children: tuple[Child, ...], total: int) -> Tiers:
        """L0 and L1 of a directory. Raises ``Busy``."""
        name = title or uri.rstrip("/").rsplit("/", 1)[-1]
        if self._compute is None or len(children) <= _CHILDREN_AT_ONCE:
            return directory_tiers(name, children, total)
        return await self._compute.run(directory_tiers, name, children, total)

    async def tiers_of_archive(self, messages: tuple[Message, ...]) -> Tiers:
        """Return L0 and L1 of consecutive messages. Raises ``Busy``."""
        if self._compute is None or len(messages) <= _ARCHIVE_MESSAGES_AT_ONCE:
            return archive_tiers(messages)
        return await self._compute.run(archive_tiers, messages)

    async def memories(self, messages: tuple[Message, ...]) -> tuple[Candidate, ...]:
        """At most 20 events. Raises ``Busy``."""
        if self._compute is None or len(messages) <= _ARCHIVE_MESSAGES_AT_ONCE:
            return candidates(messages)
        return await self._compute.run(candidates, messages)

    async def close(self) -> None:
        """Let go of the thread."""
        if self._own is not None:
            self._own.close()


def document_tiers(name: str, document: Document) -> Tiers:
    """L0 and L1 of one file, at once."""
    abstract = abstracts.abstract(name, document)
    return Tiers(abstract, overviews.of_document(name, document, abstract), NAME)


def directory_tiers(title: str, children: tuple[Child, ...], total: int) -> Tiers:
    """L0 and L1 of a directory, at once."""
    entries = [overviews.Listed(child.name, child.is_dir, child.abstract) for child in children]
    return Tiers(
        overviews.abstract_of_directory(title, entries, total), overviews.of_directory(title, entries, total), NAME
    )


def archive_tiers(messages: tuple[Message, ...]) -> Tiers:
    """L0 and L1 of an archive, at once."""
    return Tiers(archive_summary.abstract_of_archive(messages), archive_summary.overview_of_archive(messages), NAME)


def candidates(messages: tuple[Message, ...]) -> tuple[Candidate, ...]:
    """Events as proposals."""
    return tuple(
        Candidate(event.key, "events", event.path, event.text, event.message_ids, event.at, event.peer_id)
        for event in events.events(messages)
    )


plugin = Plugin(kind="model", name="extractive", settings=ExtractiveSettings, make=ExtractiveModel)
