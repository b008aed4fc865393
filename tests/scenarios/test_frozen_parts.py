"""Four dependencies, each frozen in turn: the query embedding, the vector index, the reranker, the store's reads. The
loop goes on: health answers, search ends in time without the frozen part, and calls beyond the queue are refused at
once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from recalld.adapters.sqlite.database import readers
from recalld.adapters.sqlite.search import catalog
from recalld.adapters.sqlite.search.vectors import VectorIndex
from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.domain.errors import Busy
from recalld.surfaces.http.app import create_app
from tests.fakes.provider import WIDTH, provider

HERON = "viking://resources/heron.md"
QUERY = {"query": "heron water", "score_threshold": 0}
DEADLINE_S = 0.6
READERS, WAITING_MAX = 2, 256


@asynccontextmanager
async def client_at(folder: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A store with one file, and routes over it."""
    settings.setdefault("embedder", {"provider": "hash"})
    server = {"search_timeout_s": DEADLINE_S}
    async with Engine.open(folder, server=server, storage={"reader_connections": READERS}, **settings) as engine:
        await engine.write(HERON, "the heron stood still by the water", wait=True)
        app = create_app(engine, ServerConfig(search_timeout_s=DEADLINE_S))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=30) as http:
            yield http
        app.app_state.close()


@contextmanager
def frozen(of: type, method: str) -> Iterator[threading.Event]:
    """Every call of a method that runs on a thread hangs there until the block ends; set once the first one does."""
    thaw, reached, honest = threading.Event(), threading.Event(), getattr(of, method)

    def hang(*args: Any, **more: Any) -> Any:
        reached.set()
        thaw.wait(30)
        return honest(*args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of, method, hang)
        try:
            yield reached
        finally:
            thaw.set()


async def finds(http: httpx.AsyncClient, route: str = "find") -> tuple[list[str], str]:
    """The hits of one search and its degraded parts; health is checked meanwhile."""
    asking = asyncio.ensure_future(http.post(f"/api/v1/search/{route}", json=QUERY))
    assert (await http.get("/health")).status_code == 200
    answer = await asking
    assert answer.status_code == 200, answer.text
    return [hit["uri"] for hit in answer.json()["result"]["resources"]], answer.headers.get("x-recalld-degraded", "")


async def test_the_querys_embedding(tmp_path: Path) -> None:
    async with provider() as fake:
        embedder = {
            "provider": "openai",
            "base_url": fake.url,
            "model": "m",
            "dimensions": WIDTH,
            "static": False,
            "timeout_s": 0.2,
        }
        async with client_at(tmp_path, embedder=embedder) as http:
            fake.fault = "hang"
            assert await finds(http) == ([HERON], "embedder")


async def test_the_reranker(tmp_path: Path) -> None:
    async with (
        provider(fault="hang") as fake,
        client_at(tmp_path, reranker={"provider": "tei", "base_url": fake.url, "timeout_s": 0.2}) as http,
    ):
        assert await finds(http, "search") == ([HERON], "reranker")


async def test_the_vector_index(tmp_path: Path) -> None:
    async with client_at(tmp_path) as http:
        with frozen(VectorIndex, "_cosines"):
            assert await finds(http) == ([HERON], "vectors")


async def test_the_stores_reads(tmp_path: Path) -> None:
    """Nothing is left to answer with: each question ends with its deadline, one too many at once, and health stays."""
    async with client_at(tmp_path) as http:
        with frozen(readers._ReaderPool, "_run") as reached:
            stats = [asyncio.ensure_future(http.get("/api/v1/fs/stat", params={"uri": HERON})) for _ in range(4)]
            while not reached.is_set():
                await asyncio.sleep(0.001)
            late = await http.post("/api/v1/search/find", json=QUERY)
            assert (late.status_code, late.json()["error"]["code"]) == (504, "DEADLINE_EXCEEDED"), late.text
            assert (await http.get("/health")).status_code == 200
        assert {answer.status_code for answer in await asyncio.gather(*stats)} == {200}
        assert await finds(http) == ([HERON], "")


async def test_reads_beyond_the_queue_get_busy_at_once(tmp_path: Path) -> None:
    async with Engine.open(
        tmp_path, embedder={"provider": "none"}, worker="none", storage={"reader_connections": READERS}
    ) as engine:
        await engine.write(HERON, "the heron stood still by the water")
        with frozen(readers._ReaderPool, "_run"):
            reads = [asyncio.ensure_future(engine.stat(HERON)) for _ in range(READERS + WAITING_MAX + 5)]
            await asyncio.sleep(0.01)
            refused = [one for one in reads if one.done()]
            assert {type(one.exception()) for one in refused} == {Busy}
            assert 5 <= len(refused) < 10  # the engine looks after itself there as well
        answered = await asyncio.gather(*(one for one in reads if one not in refused))
        assert {str(node.uri) for node in answered} == {HERON}


async def test_a_cancelled_search_leaves_the_catalog_consistent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thaw, reached, honest = threading.Event(), threading.Event(), catalog.chunks_after

    def slow(*args: Any) -> Any:
        page = honest(*args)
        reached.set()
        thaw.wait(30)
        return page

    async with Engine.open(
        tmp_path, embedder={"provider": "none"}, worker="none", storage={"reader_connections": READERS}
    ) as engine:
        await engine.write(HERON, "the heron stood still by the water")
        monkeypatch.setattr(catalog, "chunks_after", slow)
        first = asyncio.ensure_future(engine.find("heron"))
        while not reached.is_set():
            await asyncio.sleep(0.001)
        first.cancel()
        await asyncio.wait([first])
        second = asyncio.ensure_future(engine.find("heron"))
        await asyncio.sleep(0.01)  # it has begun on the other thread, or would have
        thaw.set()
        assert [str(hit.uri) for hit in (await second).hits] == [HERON]
        (partition,) = [p for p in engine._ports.index._catalog._partitions.values() if p.chunks.rows]  # type: ignore[attr-defined]
        assert len(set(partition.nodes["id"].tolist())) == partition.nodes.rows
        assert partition.chunks.rows == 1
