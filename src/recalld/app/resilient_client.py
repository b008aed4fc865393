"""Resilience around a provider: deadline, retry, circuit breaker and rate limit.

``app/build`` wraps every provider that is called over a network. Work that a job repeats is not retried here.
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
from recalld.rules.breaker import BreakerState, CallPolicy, Circuit
from recalld.rules.openviking_json import tokens

from .usage import UsageMeter

T = TypeVar("T")
RETRY_WAIT_S = 0.05
TURN_S = 0.001
"""A timer may fire early by a rounding error: the shortest wait."""
QUERY_CACHE_SIZE = 1_024
DEADLINE_SHARE = 0.9
COMPANY_S_MAX = 0.06
COMPANY_SHARE = 0.25
"""How much of the time that a question's embedding takes other work on it may wait for company."""
NEWEST_SHARE = 0.1
"""Weight of the latest call in the moving average of call times."""
LATE = "it gave no answer in time"
THROTTLED = "throttled"
"""State of a provider that has answered 429, until its Retry-After is over."""


@dataclass(frozen=True, slots=True)
class ProviderState:
    """State of a provider, for readiness and metrics. ``reason``: "" while it works."""

    name: str
    circuit: str
    reason: str
    calls: int
    failures: int
    retries: int
    refused: int


class ResilientClient:
    """Calls to one provider. Not thread-safe: used on one event loop only."""

    def __init__(self, name: str, clock: Clock, policy: CallPolicy | None = None) -> None:
        self.name = name
        self._clock = clock
        self._policy = policy or CallPolicy()
        self._breaker = BreakerState()
        self._waiting = 0
        self._calls = self._failures = self._retries = self._refused = 0

    @property
    def state(self) -> ProviderState:
        """See ``ProviderState``."""
        now = self._breaker
        held = now.circuit is Circuit.CLOSED and now.until > self._clock.monotonic()
        circuit = THROTTLED if held else str(now.circuit)
        return ProviderState(self.name, circuit, now.reason, self._calls, self._failures, self._retries, self._refused)

    def would_reject(self, deadline_s: float, typical_s: float = 0.0) -> bool:
        """True if a call with this deadline would be rejected at once."""
        now = self._clock.monotonic()
        wait_s = breaker.seconds_until_allowed(now, self._breaker, self._policy)
        return wait_s > 0 and not self._may_wait(now + wait_s + typical_s, now + deadline_s)

    async def call(
        self,
        work: Callable[[], Awaitable[T]],
        *,
        deadline_s: float,
        retry: bool,
        typical_s: float = 0.0,
        waits: bool = False,
    ) -> T:
        """Run ``work`` in ``deadline_s``, with at most one retry if ``retry`` and the budget allows it.

        ``waits``: a pause that leaves ``typical_s``, what such a call takes, until the deadline is waited for. Raises ``Busy``,
        at once where there is nothing to wait for, while the provider is not to be asked; ``Upstream`` when it failed, was
        late, or raised what nobody foresaw.
        """
        end = self._clock.monotonic() + deadline_s
        typical_s = min(typical_s, DEADLINE_SHARE * deadline_s)
        try:
            return await self._once(work, end, typical_s, deadline_s, waits=waits)
        except Upstream as failure:
            pause_s = _pause_s(failure)
            if not retry or pause_s is None or self._clock.monotonic() + pause_s + typical_s >= end:
                raise
            self._breaker, may = breaker.retry(self._breaker)
            if not may:
                raise
        self._retries += 1
        await self._clock.sleep(pause_s)
        return await self._once(work, end, typical_s, deadline_s, waits=waits)

    async def _once(
        self, work: Callable[[], Awaitable[T]], end: float, typical_s: float, deadline_s: float, *, waits: bool
    ) -> T:
        epoch = await self._wait_for_slot(end, typical_s, waits=waits)
        self._calls += 1
        started = self._clock.monotonic()
        allotted_s = max(0.0, end - started)
        # A timeout of a call that started late, with little time left, says nothing about the provider.
        fair = allotted_s >= min(DEADLINE_SHARE * deadline_s, max(2 * typical_s, RETRY_WAIT_S))
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
            # The caller's own deadline fired just before ours: this counts as a timeout of the provider.
            if fair and self._clock.monotonic() - started >= DEADLINE_SHARE * allotted_s:
                self._note("timeout", LATE, 0.0, epoch)
            else:
                self._breaker = breaker.release(self._breaker, epoch)
            raise
        except RecalldError:
            self._breaker = breaker.release(self._breaker, epoch)
            raise
        except Exception as error:  # an external plugin may raise anything; search goes on without it
            self._note("", f"{self.name} raised {type(error).__name__}", 0.0, epoch)
            raise Upstream(
                f"{self.name} raised {type(error).__name__}",
                remedy="report it to who made this plugin",
                details={"kind": "fault"},
            ) from error
        except BaseException:
            self._breaker = breaker.release(self._breaker, epoch)
            raise
        self._breaker = breaker.succeeded(self._breaker, self._policy, epoch)
        return result

    async def _wait_for_slot(self, end: float, typical_s: float, *, waits: bool) -> int:
        """Wait until a call is allowed, if waiting helps; returns the epoch of the call. Raises ``Busy``."""
        waiting = False
        try:
            while True:
                now = self._clock.monotonic()
                self._breaker, wait_s = breaker.allow(now, self._breaker, self._policy)
                if wait_s <= 0:
                    return self._breaker.epoch
                if not waits or not self._may_wait(now + wait_s + typical_s, end, already=waiting):
                    self._refused += 1
                    why = self._breaker.reason or "rate limited"
                    raise Busy(f"circuit open for {self.name}: {why}", retry_after_s=round(wait_s, 3))
                self._waiting += not waiting
                waiting = True
                await self._clock.sleep(max(wait_s, TURN_S))
        finally:
            self._waiting -= waiting

    def _may_wait(self, ready: float, end: float, *, already: bool = False) -> bool:
        """True if enough time is left. One caller waits for a provider that is down, to probe it; none for a rejected key."""
        if ready >= end or self._breaker.circuit is Circuit.PAUSED:
            return False
        return not breaker.is_down(self._breaker) or (already or not self._waiting) and not self._breaker.in_flight

    def _note(self, kind: str, reason: str, retry_after_s: float, epoch: int) -> None:
        now, breaker_state, policy = self._clock.monotonic(), self._breaker, self._policy
        self._failures += 1
        match kind:
            case "auth" | "billing":
                self._breaker = breaker.paused(now, breaker_state, policy, reason, epoch)
            case "rate":
                self._breaker = breaker.rate_limited(now, breaker_state, policy, retry_after_s, epoch)
            case "request":  # the request was invalid: the provider works
                self._breaker = breaker.succeeded(breaker_state, policy, epoch)
            case "unfair":
                self._breaker = breaker.release(breaker_state, epoch)
            case _:
                self._breaker = breaker.failed(now, breaker_state, policy, reason, epoch)


def _pause_s(failure: Upstream) -> float | None:
    """Seconds to wait before a retry; None if a retry would not help."""
    match failure.details.get("kind"):
        case "server" | "network":
            return RETRY_WAIT_S
        case "rate":
            return _seconds(failure)
        case _:
            return None


def _seconds(failure: Upstream) -> float:
    value = failure.details.get("retry_after_s", 1.0)
    return float(value) if isinstance(value, int | float) else 1.0


class ResilientEmbedder:
    """An embedder behind a ``ResilientClient``. Queries (cached): ``deadline_s``; documents: ``bulk_deadline_s``."""

    def __init__(
        self,
        inner: Embedder,
        client: ResilientClient,
        meter: UsageMeter,
        clock: Clock,
        *,
        deadline_s: float,
        bulk_deadline_s: float,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self.client = client
        self.meter = meter
        self._deadline_s = deadline_s
        self._bulk_deadline_s = bulk_deadline_s
        self._query_cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._typical_s = 0.0
        self.name, self.width, self.fingerprint = inner.name, inner.width, inner.fingerprint
        self.batch_max, self.floor, self.ceiling = inner.batch_max, inner.floor, inner.ceiling

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """See ``ports.embedder.Embedder``."""
        if not query:
            return await self.client.call(
                lambda: self._inner.embed(texts), deadline_s=self._bulk_deadline_s, retry=False
            )
        missing = [text for text in dict.fromkeys(texts) if text not in self._query_cache]
        if missing:
            vectors = await self.client.call(
                lambda: self._call_provider(missing),
                deadline_s=self._deadline_s,
                retry=True,
                typical_s=self._typical_s,
                waits=True,
            )
            self._query_cache.update(zip(missing, vectors, strict=True))
        rows = np.stack([self._query_cache[text] for text in texts])
        for text in texts:
            self._query_cache.move_to_end(text)
        while len(self._query_cache) > QUERY_CACHE_SIZE:
            self._query_cache.popitem(last=False)
        return rows

    def linger_s(self, text: str) -> float:
        """How long other work on this question may wait for company: a quarter of what embedding one took of late, nothing
        where its vector is known or cannot be had."""
        if (
            text in self._query_cache
            or self.meter.exhausted
            or self.client.would_reject(self._deadline_s, self._typical_s)
        ):
            return 0.0
        return min(COMPANY_S_MAX, COMPANY_SHARE * self._typical_s)

    async def _call_provider(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.meter.count(sum(map(tokens, texts)))
        begun = self._clock.monotonic()
        vectors = await self._inner.embed(texts, query=True)
        took_s = self._clock.monotonic() - begun
        self._typical_s = self._typical_s + (took_s - self._typical_s) * NEWEST_SHARE if self._typical_s else took_s
        return vectors

    async def close(self) -> None:
        """Close connections."""
        await self._inner.close()


class ResilientReranker:
    """A reranker behind a ``ResilientClient``."""

    def __init__(self, inner: Reranker, client: ResilientClient, meter: UsageMeter, *, deadline_s: float) -> None:
        self._inner = inner
        self.client = client
        self.meter = meter
        self._deadline_s = deadline_s
        self.name = inner.name

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """See ``ports.reranker.Reranker``."""
        return await self.client.call(
            lambda: self._call_provider(query, texts), deadline_s=self._deadline_s, retry=True, waits=True
        )

    async def _call_provider(self, query: str, texts: Sequence[str]) -> list[float]:
        self.meter.count(tokens(query) + sum(map(tokens, texts)))
        return await self._inner.rerank(query, texts)

    async def close(self) -> None:
        """Close connections."""
        await self._inner.close()


METERED = (ResilientEmbedder, ResilientReranker)
"""Remote providers of queries: their usage is metered, since a search commits nothing."""


class ResilientModel:
    """A language model behind a ``ResilientClient``: each call within ``deadline_s``, without retries since jobs repeat; at most
    ``calls_max`` at once."""

    def __init__(self, inner: Writer, client: ResilientClient, *, deadline_s: float, calls_max: int = 8) -> None:
        self._places = asyncio.Semaphore(calls_max)
        self._inner = inner
        self.client = client
        self._deadline_s = deadline_s
        self.name, self.version = inner.name, inner.version

    def on(self, budget: CallBudget) -> Model:
        """See ``ports.model.Writer``."""
        return _ResilientCalls(self._inner.on(budget), self.client, self._deadline_s, self._places)

    async def close(self) -> None:
        """Close connections."""
        await self._inner.close()


class _ResilientCalls:
    """See ``ports.model.Model``."""

    def __init__(self, inner: Model, client: ResilientClient, deadline_s: float, places: asyncio.Semaphore) -> None:
        self._places = places
        self._inner = inner
        self._client = client
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
            return await self._client.call(work, deadline_s=self._deadline_s, retry=False)
