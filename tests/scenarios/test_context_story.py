"""An agent's hooks: recall before a prompt, append after it, over HTTP against a real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.surfaces.http.app import create_app
from tests.tripwire import Tripwire

API = "/api/v1"
TEA = "viking://user/ana/memories/preferences/tea.md"
HOOK = {
    "query": "which tea does Ana prefer in the morning",
    "mode": "context",
    "purpose": "coding",
    "score_threshold": 0.1,
    "session_id": "cc-1",
    "dedup_turns": 5,
    "peer_scope": "actor",
}


class Agent:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.headers = {"X-OpenViking-User": "ana"}

    async def __call__(self, path: str, **body: Any) -> Any:
        answer = await self.http.post(API + path, json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    async def refused(self, path: str, **body: Any) -> Any:
        answer = await self.http.post(API + path, json=body, headers=self.headers)
        assert answer.status_code == 400, answer.text
        return answer.json()["error"]


@pytest.fixture
async def ana(tmp_path: Path, tripwire: Tripwire) -> AsyncIterator[Agent]:
    async with Engine.open(tmp_path, embedder={"provider": "none"}) as engine:
        tripwire.trips.clear()  # the wire is stretched for requests, not for making the folder
        app = create_app(engine, ServerConfig())
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://localhost", timeout=60
        ) as http:
            agent = Agent(http)
            await agent("/content/write", uri=TEA, content="Ana prefers oolong tea in the morning.")
            yield agent
        app.app_state.close()


async def test_recall_capture_recall(ana: Agent) -> None:
    first = await ana("/search/search", **HOOK)
    assert [entry["uri"] for entry in first["entries"]] == [TEA]
    assert first["stats"]["dedup"] == {"turns": 5, "status": "no_session", "cooled": 0, "turn": 0}
    turns = [
        {"role": "user", "content": f"{first['rendered']}\nWhich tea?"},
        {"role": "assistant", "content": "Oolong, as ever."},
    ]
    await ana("/sessions/cc-1/messages/batch", messages=turns)
    second = await ana("/search/search", **HOOK)
    third = await ana("/search/search", **HOOK)
    assert [entry["uri"] for entry in second["entries"]] == [TEA]
    assert (third["entries"], third["rendered"], third["stats"]["deduped"]) == ([], "", 1)
    found = await ana("/search/find", query="prefers oolong tea in the morning")
    assert TEA in [hit["uri"] for hit in found["memories"]]
    assert not [h for h in found["memories"] if "<memory" in h["abstract"]]


async def test_only_rewrite_true_returns_a_digest(ana: Agent) -> None:
    block = await ana("/search/search", **{**HOOK, "rewrite": True})
    assert block["digest"] == f"OpenViking memory digest:\n- Ana prefers oolong tea in the morning. [{TEA}]"
    assert (await ana("/search/search", **{**HOOK, "rewrite": "auto"}))["digest"] == ""


async def test_the_older_form_brings_its_own_defaults(ana: Agent) -> None:
    block = await ana("/search/recall", query=HOOK["query"], quotas={"events": 2}, max_chars=400, session_id="cc-1")
    stats = block["stats"]
    assert stats["quotas"] == {"events": 2, "entities": 10, "preferences": 3, "experiences": 0}
    assert (stats["max_tokens"], stats["purpose"], stats["score_threshold"], stats["dedup"]["turns"]) == (
        100,
        "coding",
        0.1,
        5,
    )
    assert set(stats["deprecated"]) == {"endpoint", "successor", "successor_body", "aliases_used"}
    assert (await ana("/search/recall", query="x y z tea", max_chars=1_000_000))["stats"]["max_tokens"] == 32_000
    compact = await ana("/search/recall", query=HOOK["query"], render="compact")
    assert {entry["detail"] for entry in compact["entries"]} == {"abstract"}


@pytest.mark.parametrize(
    "fields",
    [
        {"filter": {"op": "must", "field": "uri", "conds": ["viking://resources"]}},
        {"since": "2026-01-02", "until": "2026-01-01"},
        {"tags": ["no pair"]},
        {"exclude_uris": ["http://elsewhere"]},
    ],
)
async def test_invalid_block_filters_are_refused(ana: Agent, fields: dict[str, Any]) -> None:
    await ana.refused("/search/search", **{**HOOK, **fields})


async def test_find_filters_apply_to_blocks(ana: Agent) -> None:
    assert (await ana("/search/search", **{**HOOK, "context_type": "resource"}))["entries"] == []
    assert (await ana("/search/search", **{**HOOK, "until": "2020-01-01"}))["entries"] == []
    assert (await ana("/search/search", **{**HOOK, "context_type": "memory"}))["stats"]["returned"] == 1
