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
        ...

    async def tiers_of_directory(self, uri: str, title: str, children: tuple[Child, ...], total: int) -> Tiers:
        """L0 and L1 (at most 4,000 characters) of a directory from its children's abstracts."""
        ...

    async def tiers_of_archive(self, messages: tuple[Message, ...]) -> Tiers:
        """L0 and L1 (the working-memory overview) of an archived stretch of talk."""
        ...

    async def memories(self, messages: tuple[Message, ...]) -> tuple[Candidate, ...]:
        """Memories worth keeping from an archived stretch of talk; every claim quotes its messages."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(slots=True)
class Bill:
    """What one step's calls to a writer may cost and did cost. ``claim`` before a call, ``settle`` after it.

    ``wait_s``: how long until the day's budget is a new one. ``refused``: calls not made, since it was used up.
    """

    tokens_left: int
    calls_left: int
    wait_s: float
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    refused: int = 0

    def claim(self, tokens_in: int, tokens_out: int) -> None:
        """Ask to make a call of about so many tokens; it counts from here on. Raises ``Busy`` where the day has no room."""
        if self.calls_left < 1 or tokens_in + tokens_out > self.tokens_left:
            self.refused += 1
            raise Busy(
                "the daily budget of the language model is used up",
                retry_after_s=self.wait_s,
                remedy="it is asked again tomorrow (UTC); model.tokens_per_day_max and model.calls_per_day_max are its limits",
            )
        self.calls += 1
        self.calls_left -= 1
        self._add(tokens_in, 0)

    def settle(self, claimed_in: int, tokens_in: int, tokens_out: int) -> None:
        """Put what a call really took in the place of what was claimed for its question."""
        self._add(tokens_in - claimed_in, tokens_out)

    def _add(self, tokens_in: int, tokens_out: int) -> None:
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        self.tokens_left -= tokens_in + tokens_out


class Writer(Protocol):
    """A language model behind a network: a ``Model`` for everybody who brings a bill. ``name`` and ``version`` (that of its
    prompts) mark what it wrote. Its verbs raise ``Busy`` and ``Upstream`` and, for words that are of no use, ``Invalid``."""

    name: str
    version: str

    def on(self, bill: Bill) -> Model:
        """The model whose calls are written down on this bill, and refused where it has no room."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
