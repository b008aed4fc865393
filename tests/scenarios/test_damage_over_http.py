"""Damaged tables and indexes of the catalog, seen over HTTP and MCP: answers are degraded and say so, and never fail."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.surfaces.http.app import create_app
from recalld.surfaces.mcp.mount import Mcp
from tests.scenarios.test_damage_story import damage_inside, zero_page

pytestmark = pytest.mark.loop_may_block  # the tests damage files themselves
API = "/api/v1"
WORDS = [*(f"uniqueword{n}" for n in range(0, 30, 3)), "talkword1"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with files, directories, messages and their vectors."""
    data = tmp_path_factory.mktemp("whole") / "data"
    async with Engine.open(data, worker="inside", embedder={"kind": "hash"}) as engine:
        for n in range(30):
            await engine.write(
                f"viking://resources/d{n % 3}/f{n}.md", f"# file {n}\nuniqueword{n} lorem ipsum dolor " * 8
            )
        for n in range(3):
            await engine.sessions.append("s", [{"role": "user", "content": f"talkword{n} about herons", "id": f"m{n}"}])
        await engine.wait(timeout_s=60)
    return data


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "data"))


class Api:
    """Every answer has to be a success; ``degraded``: what the answers had to do without."""

    def __init__(self, http: httpx.AsyncClient, engine: Engine) -> None:
        self._http = http
        self.engine = engine
        self.degraded: set[str] = set()

    async def post(self, path: str, **body: Any) -> Any:
        answer = await self._http.post(path if path.startswith("/mcp") else API + path, json=body)
        assert answer.status_code == 200, answer.text
        self.degraded |= {p for p in answer.headers.get("X-Recalld-Degraded", "").split(",") if p}
        return answer.json()["result"]

    async def tool(self, name: str, **arguments: Any) -> str:
        done = await self.post(
            "/mcp", jsonrpc="2.0", id=1, method="tools/call", params={"name": name, "arguments": arguments}
        )
        text = "\n".join(part.get("text", "") for part in done["content"])
        assert not done.get("isError"), text
        return text


@asynccontextmanager
async def served(data: Path) -> AsyncIterator[Api]:
    headers = {"Accept": "application/json, text/event-stream"}
    async with Engine.open(data, worker="none", embedder={"kind": "hash"}) as engine:
        app = create_app(engine, ServerConfig(), mounted_apps={"/mcp": Mcp})
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", timeout=60, headers=headers
        ) as http:
            yield Api(http, engine)
        app.app_state.close()


async def ask_everything(api: Api) -> None:
    for word in WORDS:
        await api.post("/search/find", query=word)
        await api.post("/search/search", query=word, session_id="s")
        await api.tool("find", query=word)
    await api.post("/search/search", query=WORDS[0], session_id="s", mode="context")


async def heal(api: Api) -> None:
    engine = api.engine
    engine._ports.derived.suspects.add("store")
    engine._housekeeping._maintenance._examined_at = -1e9
    await engine._housekeeping.round()


@pytest.mark.parametrize("where", [zero_page, damage_inside], ids=["root", "leaf"])
@pytest.mark.parametrize("table", ["chunk", "tier", "vector"])
async def test_a_damaged_table_degrades_answers_and_fails_none(
    data: Path, table: str, where: Callable[[Path, str], None]
) -> None:
    where(data, table)
    async with served(data) as api:
        await ask_everything(api)
        assert api.degraded & {"catalog", "vectors"}
        await heal(api)
        await ask_everything(api)
        answer = await api.post("/search/find", query=WORDS[0])
        assert table == "chunk" or answer["resources"]


@pytest.mark.parametrize("index", ["chunk_follow", "chunk_node", "node_follow", "vector_follow"])
async def test_a_damaged_index_of_the_catalog_fails_no_answer(data: Path, index: str) -> None:
    zero_page(data, index)
    async with served(data) as api:
        await ask_everything(api)
        await heal(api)
        api.degraded.clear()
        await ask_everything(api)
        assert (await api.post("/search/find", query=WORDS[0]))["resources"]


async def test_a_damaged_message_leaves_a_search_in_its_session_degraded(data: Path) -> None:
    async with served(data) as api:
        ledger: Any = api.engine._ports.ledger
        await ledger.access.write(lambda c: c.execute("UPDATE message SET text = 'other words'").fetchall())
        answer = await api.post("/search/search", query="and that one?", session_id="s")
        assert "resources" in answer
        assert "session" in api.degraded
