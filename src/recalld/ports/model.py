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
class Purse:
    """What this process has spent and promised today, so that bills that are open side by side do not spend the same twice."""

    day: str = ""
    calls: int = 0
    tokens: int = 0

    def know(self, day: str, calls: int, tokens: int) -> None:
        """What the ledger says of a day: at least that was spent."""
        if day != self.day:
            self.day, self.calls, self.tokens = day, 0, 0
        self.calls, self.tokens = max(self.calls, calls), max(self.tokens, tokens)


@dataclass(slots=True)
class Bill:
    """What one step's calls to a writer may cost and did cost. ``claim`` before a call, ``settle`` after it.

    ``wait_s``: how long until the day's budget is a new one. ``refused``: calls not made, since it was used up. ``purse``: what
    all bills of the process share, within ``calls_max`` and ``tokens_max``; ``held``: promised to an answer under way.
    """

    tokens_left: int
    calls_left: int
    wait_s: float
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    refused: int = 0
    purse: Purse | None = None
    calls_max: int = 0
    tokens_max: int = 0
    held: int = 0

    def claim(self, tokens_in: int, tokens_out: int) -> None:
        """Ask to make a call of about so many tokens; it counts from here on. Raises ``Busy`` where the day has no room."""
        self.let_go()
        most = tokens_in + tokens_out
        if self.calls_left < 1 or most > self.tokens_left or not self._room(most):
            self.refused += 1
            raise Busy(
                "the daily budget of the language model is used up",
                retry_after_s=self.wait_s,
                remedy="it is asked again tomorrow (UTC); model.tokens_per_day_max and model.calls_per_day_max are its limits",
            )
        self.calls += 1
        self.calls_left -= 1
        if self.purse is not None:
            self.purse.calls += 1
            self.purse.tokens += tokens_out
            self.held = tokens_out
        self._add(tokens_in, 0)

    def settle(self, claimed_in: int, tokens_in: int, tokens_out: int) -> None:
        """Put what a call really took in the place of what was claimed for its question."""
        self.let_go()
        self._add(tokens_in - claimed_in, tokens_out)

    def let_go(self) -> None:
        """Give back what was promised to an answer that has ended."""
        if self.purse is not None:
            self.purse.tokens -= self.held
        self.held = 0

    def _room(self, tokens: int) -> bool:
        purse = self.purse
        return purse is None or (purse.calls < self.calls_max and purse.tokens + tokens <= self.tokens_max)

    def _add(self, tokens_in: int, tokens_out: int) -> None:
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        self.tokens_left -= tokens_in + tokens_out
        if self.purse is not None:
            self.purse.tokens += tokens_in + tokens_out


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
