"""Tiers and memories without a language model: sentences chosen from the text itself, nothing invented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from recalld.domain.document import DERIVATION, EXTRACTIVE, Document, Tiers
from recalld.domain.session import Message
from recalld.infra.thread_pool import Pool
from recalld.ports.compute import Compute
from recalld.ports.model import Candidate, Child
from recalld.ports.plugin import Plugin
from recalld.rules import abstracts, archive_summary, events, overviews
from recalld.rules import directory_tiers as directories

P = ParamSpec("P")
T = TypeVar("T")
NAME = "extractive"
VERSION = str(DERIVATION)
_WAITING_MAX = 64
_ARCHIVE_MESSAGES_AT_ONCE = 4
_DOCUMENT_CHARS_AT_ONCE = 2_000
_CHILDREN_AT_ONCE = 50
"""More than this is read on the pool: it may take longer than a loop should wait."""


@dataclass(frozen=True, slots=True)
class ExtractiveSettings:
    """No settings."""


class ExtractiveModel:
    """Pure rules behind the model port. Deterministic: the same input gives the same words."""

    name = NAME
    version = VERSION

    def __init__(self, settings: ExtractiveSettings | None = None, compute: Compute | None = None) -> None:
        """``compute``: where long archives are read; None = a thread of its own, closed with it."""
        self._own: Pool | None = None
        if compute is None:
            compute = self._own = Pool(NAME, running_max=1, waiting_max=_WAITING_MAX)
        self._compute = compute

    async def tiers_of_document(self, name: str, document: Document) -> Tiers:
        """L0 and L1 of one file. Raises ``Busy``."""
        return await self._run(len(document.text) <= _DOCUMENT_CHARS_AT_ONCE, document_tiers, name, document)

    async def tiers_of_directory(self, uri: str, title: str, children: tuple[Child, ...], total: int) -> Tiers:
        """L0 and L1 of a directory. Raises ``Busy``."""
        name = title or uri.rstrip("/").rsplit("/", 1)[-1]
        return await self._run(len(children) <= _CHILDREN_AT_ONCE, directory_tiers, name, children, total)

    async def tiers_of_archive(self, messages: tuple[Message, ...]) -> Tiers:
        """Return L0 and L1 of consecutive messages. Raises ``Busy``."""
        return await self._run(len(messages) <= _ARCHIVE_MESSAGES_AT_ONCE, archive_tiers, messages)

    async def memories(self, messages: tuple[Message, ...]) -> tuple[Candidate, ...]:
        """At most 20 events. Raises ``Busy``."""
        return await self._run(len(messages) <= _ARCHIVE_MESSAGES_AT_ONCE, candidates, messages)

    async def close(self) -> None:
        """Let go of the thread."""
        if self._own is not None:
            self._own.close()

    async def _run(self, at_once: bool, rule: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return rule(*args, **kwargs) if at_once else await self._compute.run(rule, *args, **kwargs)


def document_tiers(name: str, document: Document) -> Tiers:
    """L0 and L1 of one file, at once."""
    abstract = abstracts.abstract(name, document)
    return Tiers(abstract, overviews.of_document(name, document, abstract), EXTRACTIVE)


def directory_tiers(title: str, children: tuple[Child, ...], total: int) -> Tiers:
    """L0 and L1 of a directory, at once."""
    entries = [directories.Listed(child.name, child.is_dir, child.abstract) for child in children]
    return Tiers(
        directories.abstract_of_directory(title, entries, total),
        directories.overview_of_directory(title, entries, total),
        EXTRACTIVE,
    )


def archive_tiers(messages: tuple[Message, ...]) -> Tiers:
    """L0 and L1 of an archive, at once."""
    return Tiers(
        archive_summary.abstract_of_archive(messages), archive_summary.overview_of_archive(messages), EXTRACTIVE
    )


def candidates(messages: tuple[Message, ...]) -> tuple[Candidate, ...]:
    """Events as proposals."""
    return tuple(
        Candidate(event.key, "events", event.path, event.text, event.message_ids, event.at, event.peer_id)
        for event in events.events(messages)
    )


plugin = Plugin(kind="model", name="extractive", settings=ExtractiveSettings, make=ExtractiveModel)
