"""What stands around a provider: its deadline, the one retry owner of its calls, its breaker and its pace.

Applied once, in ``app/build``, to whatever answers over a network. Work that a job repeats is not retried here as well.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from recalld.domain.document import Document, Tiers
from recalld.domain.errors import Busy, RecalldError, Upstream
from recalld.domain.session import Message
from recalld.ports.clock import Clock
from recalld.ports.embedder import Embedder
from recalld.ports.model import CallBudget, Candidate, Child, Model, Writer
from recalld.ports.reranker import Reranker
from recalld.rules import breaker
from recalld.rules.breaker import CallPolicy, Circuit, Standing
from recalld.rules.openviking_json import tokens

from .usage_meter import UsageMeter

T = TypeVar("T")
RETRY_WAIT_S = 0.05
TURN_S = 0.001
"""A timer may be early by a rounding: nobody waits for less than this."""
QUERIES_KEPT = 1_024
PATIENCE = 0.9
COMPANY_S_MAX = 0.06
COMPANY_SHARE = 0.25
"""How much of the time that a question's embedding takes other work on it may wait for company."""
NEWEST_SHARE = 0.1
"""What the latest answer counts for in what is usual."""
LATE = "it gave no answer in time"
THROTTLED = "throttled"
"""The circuit of a provider that has asked for a pause, until it is over."""


@dataclass(frozen=True, slots=True)
class GuardState:
    """How a provider stands, for readiness and metrics. ``reason``: "" while all is well."""

    name: str
    circuit: str
    reason: str
    calls: int
    failures: int
    retries: int
    refused: int


class Guard:
    """One provider's calls, counted. All on one loop, so nothing needs a lock."""

    def __init__(self, name: str, clock: Clock, policy: CallPolicy | None = None) -> None:
        self.name = name
        self._clock = clock
        self._policy = policy or CallPolicy()
        self._standing = Standing()
        self._waiting = 0
        self._calls = self._failures = self._retries = self._refused = 0

    @property
    def state(self) -> GuardState:
        """See ``GuardState``."""
        now = self._standing
        held = now.circuit is Circuit.CLOSED and now.until > self._clock.monotonic()
        circuit = THROTTLED if held else str(now.circuit)
        return GuardState(self.name, circuit, now.reason, self._calls, self._failures, self._retries, self._refused)

    def refuses(self, deadline_s: float, usual_s: float = 0.0) -> bool:
        """Whether a call with this deadline would be refused at once."""
        now = self._clock.monotonic()
        wait_s = breaker.refuses(now, self._standing, self._policy)
        return wait_s > 0 and not self._may_wait(now + wait_s + usual_s, now + deadline_s)

    async def call(
        self,
        work: Callable[[], Awaitable[T]],
        *,
        deadline_s: float,
        again: bool,
        usual_s: float = 0.0,
        waits: bool = False,
    ) -> T:
        """Run ``work`` in ``deadline_s``, with at most one retry if ``again`` and the budget allows it.

        ``waits``: a pause that leaves ``usual_s``, what such a call takes, until the deadline is waited for. Raises ``Busy``,
        at once where there is nothing to wait for, while the provider is not to be asked; ``Upstream`` when it failed, was
        late, or raised what nobody foresaw.
        """
        end = self._clock.monotonic() + deadline_s
        usual_s = min(usual_s, PATIENCE * deadline_s)
        try:
            return await self._once(work, end, usual_s, deadline_s, waits=waits)
        except Upstream as failure:
            pause_s = _pause_s(failure)
            if not again or pause_s is None or self._clock.monotonic() + pause_s + usual_s >= end:
                raise
            self._standing, may = breaker.retry(self._standing)
            if not may:
                raise
        self._retries += 1
        await self._clock.sleep(pause_s)
        return await self._once(work, end, usual_s, deadline_s, waits=waits)

    async def _once(
        self, work: Callable[[], Awaitable[T]], end: float, usual_s: float, deadline_s: float, *, waits: bool
    ) -> T:
        epoch = await self._admit(end, usual_s, waits=waits)
        self._calls += 1
        started = self._clock.monotonic()
        allotted_s = max(0.0, end - started)
        # A call that began late, after a pause, and was given little more than it takes proves nothing when it is late.
        fair = allotted_s >= min(PATIENCE * deadline_s, max(2 * usual_s, RETRY_WAIT_S))
        try:
            async with asyncio.timeout(allotted_s):
                result = await work()
        except TimeoutError as late:
            self._note("timeout" if fair else "unfair", LATE, 0.0, epoch)
            raise Upstream(
                f"{self.name} gave no answer in time",
                remedy="raise its deadline_s, or check the provider's status page",
                details={"kind": "timeout"},
            ) from late
        except Upstream as failure:
            self._note(str(failure.details.get("kind", "")), failure.message, _seconds(failure), epoch)
            raise
        except asyncio.CancelledError:
            # A caller whose own deadline was the same one lost patience a moment before us: that was the provider too.
            if fair and self._clock.monotonic() - started >= PATIENCE * allotted_s:
                self._note("timeout", LATE, 0.0, epoch)
            else:
                self._standing = breaker.abandoned(self._standing, epoch)
            raise
        except RecalldError:
            self._standing = breaker.abandoned(self._standing, epoch)
            raise
        except Exception as odd:  # a plugin of somebody else's may raise anything; recall does without it
            self._note("", f"{self.name} raised {type(odd).__name__}", 0.0, epoch)
            raise Upstream(
                f"{self.name} raised {type(odd).__name__}",
                remedy="report it to who made this plugin",
                details={"kind": "fault"},
            ) from odd
        except BaseException:
            self._standing = breaker.abandoned(self._standing, epoch)
            raise
        self._standing = breaker.succeeded(self._standing, self._policy, epoch)
        return result

    async def _admit(self, end: float, usual_s: float, *, waits: bool) -> int:
        """The epoch of a call that may be made now, after a wait where one is worth it. Raises ``Busy``."""
        waiting = False
        try:
            while True:
                now = self._clock.monotonic()
                self._standing, wait_s = breaker.admit(now, self._standing, self._policy)
                if wait_s <= 0:
                    return self._standing.epoch
                if not waits or not self._may_wait(now + wait_s + usual_s, end, already=waiting):
                    self._refused += 1
                    why = self._standing.reason or "it is asked more slowly now"
                    raise Busy(f"{self.name} is not asked now: {why}", retry_after_s=round(wait_s, 3))
                self._waiting += not waiting
                waiting = True
                await self._clock.sleep(max(wait_s, TURN_S))
        finally:
            self._waiting -= waiting

    def _may_wait(self, ready: float, end: float, *, already: bool = False) -> bool:
        """Whether enough time is left; for a provider that is down one caller alone waits, who is to be its probe, and for
        one that refuses the key nobody does."""
        if ready >= end or self._standing.circuit is Circuit.PAUSED:
            return False
        return not breaker.down(self._standing) or (already or not self._waiting) and not self._standing.inside

    def _note(self, kind: str, said: str, retry_after_s: float, epoch: int) -> None:
        now, standing, policy = self._clock.monotonic(), self._standing, self._policy
        self._failures += 1
        match kind:
            case "auth" | "billing":
                self._standing = breaker.paused(now, standing, policy, said, epoch)
            case "rate":
                self._standing = breaker.throttled(now, standing, policy, retry_after_s, epoch)
            case "request":  # the provider is well: what it was sent is not
                self._standing = breaker.succeeded(standing, policy, epoch)
            case "unfair":
                self._standing = breaker.abandoned(standing, epoch)
            case _:
                self._standing = breaker.failed(now, standing, policy, said, epoch)


def _pause_s(failure: Upstream) -> float | None:
    """How long to wait before the same is asked once more; None where that changes nothing."""
    match failure.details.get("kind"):
        case "server" | "network":
            return RETRY_WAIT_S
        case "rate":
            return _seconds(failure)
        case _:
            return None


def _seconds(failure: Upstream) -> float:
    given = failure.details.get("retry_after_s", 1.0)
    return float(given) if isinstance(given, int | float) else 1.0


class GuardedEmbedder:
    """An embedder behind a guard. Questions keep ``deadline_s`` and are remembered; documents have their jobs' patience."""

    def __init__(
        self,
        inner: Embedder,
        guard: Guard,
        meter: UsageMeter,
        clock: Clock,
        *,
        deadline_s: float,
        bulk_deadline_s: float,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self.guard = guard
        self.meter = meter
        self._deadline_s = deadline_s
        self._bulk_deadline_s = bulk_deadline_s
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._usual_s = 0.0
        self.name, self.width, self.fingerprint = inner.name, inner.width, inner.fingerprint
        self.batch_max, self.floor, self.ceiling = inner.batch_max, inner.floor, inner.ceiling

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """See ``ports.embedder.Embedder``."""
        if not query:
            return await self.guard.call(
                lambda: self._inner.embed(texts), deadline_s=self._bulk_deadline_s, again=False
            )
        missing = [text for text in dict.fromkeys(texts) if text not in self._kept]
        if missing:
            made = await self.guard.call(
                lambda: self._asked(missing), deadline_s=self._deadline_s, again=True, usual_s=self._usual_s, waits=True
            )
            self._kept.update(zip(missing, made, strict=True))
        found = np.stack([self._kept[text] for text in texts])
        for text in texts:
            self._kept.move_to_end(text)
        while len(self._kept) > QUERIES_KEPT:
            self._kept.popitem(last=False)
        return found

    def linger_s(self, text: str) -> float:
        """How long other work on this question may wait for company: a quarter of what embedding one took of late, nothing
        where its vector is known or cannot be had."""
        if text in self._kept or self.meter.exhausted or self.guard.refuses(self._deadline_s, self._usual_s):
            return 0.0
        return min(COMPANY_S_MAX, COMPANY_SHARE * self._usual_s)

    async def _asked(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.meter.count(sum(map(tokens, texts)))
        begun = self._clock.monotonic()
        made = await self._inner.embed(texts, query=True)
        took_s = self._clock.monotonic() - begun
        self._usual_s = self._usual_s + (took_s - self._usual_s) * NEWEST_SHARE if self._usual_s else took_s
        return made

    async def close(self) -> None:
        """Let go of connections."""
        await self._inner.close()


class GuardedReranker:
    """A reranker behind a guard."""

    def __init__(self, inner: Reranker, guard: Guard, meter: UsageMeter, *, deadline_s: float) -> None:
        self._inner = inner
        self.guard = guard
        self.meter = meter
        self._deadline_s = deadline_s
        self.name = inner.name

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """See ``ports.reranker.Reranker``."""
        return await self.guard.call(
            lambda: self._asked(query, texts), deadline_s=self._deadline_s, again=True, waits=True
        )

    async def _asked(self, query: str, texts: Sequence[str]) -> list[float]:
        self.meter.count(tokens(query) + sum(map(tokens, texts)))
        return await self._inner.rerank(query, texts)

    async def close(self) -> None:
        """Let go of connections."""
        await self._inner.close()


METERED = (GuardedEmbedder, GuardedReranker)
"""What answers questions over a network, for which nothing is written."""


class GuardedModel:
    """A language model behind a guard: every verb under ``deadline_s`` and asked once, since jobs ask again; at most
    ``calls_max`` of them at once."""

    def __init__(self, inner: Writer, guard: Guard, *, deadline_s: float, calls_max: int = 8) -> None:
        self._places = asyncio.Semaphore(calls_max)
        self._inner = inner
        self.guard = guard
        self._deadline_s = deadline_s
        self.name, self.version = inner.name, inner.version

    def on(self, budget: CallBudget) -> Model:
        """See ``ports.model.Writer``."""
        return _GuardedVerbs(self._inner.on(budget), self.guard, self._deadline_s, self._places)

    async def close(self) -> None:
        """Let go of connections."""
        await self._inner.close()


class _GuardedVerbs:
    """See ``ports.model.Model``."""

    def __init__(self, inner: Model, guard: Guard, deadline_s: float, places: asyncio.Semaphore) -> None:
        self._places = places
        self._inner = inner
        self._guard = guard
        self._deadline_s = deadline_s
        self.name, self.version = inner.name, inner.version

    async def tiers_of_document(self, name: str, document: Document) -> Tiers:
        return await self._call(lambda: self._inner.tiers_of_document(name, document))

    async def tiers_of_directory(self, uri: str, title: str, children: tuple[Child, ...], total: int) -> Tiers:
        return await self._call(lambda: self._inner.tiers_of_directory(uri, title, children, total))

    async def tiers_of_archive(self, messages: tuple[Message, ...]) -> Tiers:
        return await self._call(lambda: self._inner.tiers_of_archive(messages))

    async def memories(self, messages: tuple[Message, ...]) -> tuple[Candidate, ...]:
        return await self._call(lambda: self._inner.memories(messages))

    async def close(self) -> None:
        await self._inner.close()

    async def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        async with self._places:
            return await self._guard.call(work, deadline_s=self._deadline_s, again=False)
