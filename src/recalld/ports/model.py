"""The writer of tiers and memories: extractive by default, a language model by configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from recalld.domain.document import Document, Tiers
from recalld.domain.errors import Busy
from recalld.domain.session import Message


@dataclass(frozen=True, slots=True)
class Child:
    """A directory's entry as its overview sees it."""

    name: str
    is_dir: bool
    abstract: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory proposed from an archive.

    ``key`` identifies it within the archive (a retry writes the same path); ``path`` below the memory root, e.g.
    ``events/2024/05/08/lunch_with_ana.md``; ``message_ids`` what it quotes; ``at`` event time in epoch seconds; ``abstract`` its
    L0 ("" = the words it quotes).
    """

    key: str
    type: str
    path: str
    text: str
    message_ids: tuple[str, ...]
    at: float
    peer_id: str = ""
    abstract: str = ""


class Model(Protocol):
    """Writes abstracts, overviews and memories. ``name`` and ``version`` are stored with everything it wrote."""

    name: str
    version: str

    async def tiers_of_document(self, name: str, document: Document) -> Tiers:
        """L0 (at most 256 characters) and L1 of one file."""

    async def tiers_of_directory(self, uri: str, title: str, children: tuple[Child, ...], total: int) -> Tiers:
        """L0 and L1 (at most 4,000 characters) of a directory from its children's abstracts."""

    async def tiers_of_archive(self, messages: tuple[Message, ...]) -> Tiers:
        """L0 and L1 (the working-memory overview) of an archived stretch of talk."""

    async def memories(self, messages: tuple[Message, ...]) -> tuple[Candidate, ...]:
        """Memories worth keeping from an archived stretch of talk; every claim quotes its messages."""

    async def close(self) -> None:
        """Close connections."""


@dataclass(slots=True)
class DailyUsage:
    """Usage of this process today, reservations included, shared by all open ``CallBudget`` so that none is used twice."""

    day: str = ""
    calls: int = 0
    tokens: int = 0

    def sync(self, day: str, calls: int, tokens: int) -> None:
        """Raise the counts to what the ledger has recorded for a day."""
        if day != self.day:
            self.day, self.calls, self.tokens = day, 0, 0
        self.calls, self.tokens = max(self.calls, calls), max(self.tokens, tokens)


@dataclass(slots=True)
class CallBudget:
    """Limits and usage of one job's calls to a language model. ``reserve`` before a call, ``record`` after it.

    ``wait_s``: seconds until the daily budget is reset. ``refused``: calls rejected because it was used up. ``daily_usage``: shared
    by all budgets of the process, within ``calls_max`` and ``tokens_max``. ``reserved``: tokens reserved for a running call.
    """

    tokens_left: int
    calls_left: int
    wait_s: float
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    refused: int = 0
    daily_usage: DailyUsage | None = None
    calls_max: int = 0
    tokens_max: int = 0
    reserved: int = 0

    def reserve(self, tokens_in: int, tokens_out: int) -> None:
        """Reserve a call of about that many tokens. Raises ``Busy`` when the daily budget does not allow it."""
        self.release()
        tokens_max_needed = tokens_in + tokens_out
        if self.calls_left < 1 or tokens_max_needed > self.tokens_left or not self._fits_day(tokens_max_needed):
            self.refused += 1
            raise Busy(
                "the daily budget of the language model is used up",
                retry_after_s=self.wait_s,
                remedy="it is called again tomorrow (UTC); model.tokens_per_day_max and model.calls_per_day_max are its limits",
            )
        self.calls += 1
        self.calls_left -= 1
        if self.daily_usage is not None:
            self.daily_usage.calls += 1
            self.daily_usage.tokens += tokens_out
            self.reserved = tokens_out
        self._add(tokens_in, 0)

    def record(self, claimed_in: int, tokens_in: int, tokens_out: int) -> None:
        """Replace the reservation by the actual usage of a call."""
        self.release()
        self._add(tokens_in - claimed_in, tokens_out)

    def release(self) -> None:
        """Release the tokens reserved for a call that has ended."""
        if self.daily_usage is not None:
            self.daily_usage.tokens -= self.reserved
        self.reserved = 0

    def _fits_day(self, tokens: int) -> bool:
        daily_usage = self.daily_usage
        return daily_usage is None or (
            daily_usage.calls < self.calls_max and daily_usage.tokens + tokens <= self.tokens_max
        )

    def _add(self, tokens_in: int, tokens_out: int) -> None:
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        self.tokens_left -= tokens_in + tokens_out
        if self.daily_usage is not None:
            self.daily_usage.tokens += tokens_in + tokens_out


class Writer(Protocol):
    """A remote language model; ``on`` returns a ``Model`` within a budget. ``name`` and ``version`` (of its prompts) are stored
    with what it wrote. Methods raise ``Busy``, ``Upstream`` and, for unusable output, ``Invalid``."""

    name: str
    version: str

    def on(self, budget: CallBudget) -> Model:
        """The model with its calls counted against ``budget`` and rejected beyond it."""

    async def close(self) -> None:
        """Close connections."""
