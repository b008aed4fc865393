"""Tiers and memories of an archive: by the language model if it answers in time, else by the extractive model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from recalld.domain.commit import RecordUsage
from recalld.domain.document import Tiers
from recalld.domain.errors import Busy, Invalid, Upstream
from recalld.domain.session import Message
from recalld.ports.bundle import Ports
from recalld.ports.model import CallBudget, Candidate, Writer
from recalld.rules.memory_file import stretches
from recalld.usecases.maintenance.provider_budget import cost, open_budget

STRETCHES_MAX = 12
"""Batches of one archive that the language model reads; the extractive model reads the rest."""


@dataclass(slots=True)
class ArchiveGeneration:
    """State of generating one archive. ``usage``: usage records for its commit; ``missing``: why parts
    were generated without the model."""

    ports: Ports
    usage: list[RecordUsage] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unavailable: bool = False

    async def budget(self, writer: Writer) -> CallBudget:
        """Return the day's remaining budget, less this archive's uncommitted usage."""
        budget = await open_budget(writer, self.ports)
        budget.tokens_left -= self.tokens
        budget.calls_left -= sum(one.calls for one in self.usage)
        return budget

    @property
    def tokens(self) -> int:
        """Tokens of all calls, in and out."""
        return sum(one.tokens_in + one.tokens_out for one in self.usage)

    def record_failure(self, failed: Busy | Upstream | Invalid) -> None:
        """Continue without the model for this part; for the rest as well, unless only this answer was unusable."""
        self.unavailable = self.unavailable or not isinstance(failed, Invalid)
        self.missing.append(f"model: {failed.message}")


async def archive_tiers(messages: tuple[Message, ...], generation: ArchiveGeneration) -> Tiers:
    """L0 and L1 of an archive."""
    ports, writer = generation.ports, generation.ports.writer
    if writer is not None and messages:
        budget = await generation.budget(writer)
        try:
            tiers = await writer.on(budget).tiers_of_archive(messages)
        except (Busy, Upstream, Invalid) as failed:
            generation.record_failure(failed)
            generation.usage += cost(budget, "archive", writer, ports, failed)
        else:
            generation.usage += cost(budget, "archive", writer, ports)
            return tiers
    return await ports.model.tiers_of_archive(messages)


async def candidates(allowed: tuple[Message, ...], generation: ArchiveGeneration) -> tuple[Candidate, ...]:
    """Return memories of these messages. Each peer's messages are read separately, so that memories never mix peers."""
    ports, writer = generation.ports, generation.ports.writer
    if writer is None or generation.unavailable:
        return await ports.model.memories(allowed)
    found: list[Candidate] = []
    left: list[Message] = []
    for at, part in enumerate(stretches(allowed)):
        memories = (
            await _memories_of_part(part, writer, generation)
            if at < STRETCHES_MAX and not generation.unavailable
            else None
        )
        if memories is None:
            left += part
        else:
            found += memories
    if left:
        missed = {
            piece.id for piece in left
        }  # perhaps one of several pieces of a long message, which is then read again as a whole
        found += await ports.model.memories(tuple(m for m in allowed if m.id in missed))
    return tuple(found)


async def _memories_of_part(
    part: Sequence[Message], writer: Writer, generation: ArchiveGeneration
) -> tuple[Candidate, ...] | None:
    budget = await generation.budget(writer)
    try:
        found = await writer.on(budget).memories(tuple(part))
    except (Busy, Upstream, Invalid) as failed:
        generation.record_failure(failed)
        generation.usage += cost(budget, "memories", writer, generation.ports, failed)
        return None
    generation.usage += cost(budget, "memories", writer, generation.ports)
    return found
