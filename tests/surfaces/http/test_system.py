"""/health, /ready, /system and /debug over HTTP."""

from __future__ import annotations

import httpx

from recalld.domain.results import Readiness, VectorCount
from recalld.domain.version import VERSION
from tests.surfaces.http.fake_engine import FakeEngine


async def test_health_is_bare(http: httpx.AsyncClient) -> None:
    body = (await http.get("/health", headers={"Authorization": "Bearer nonsense"})).json()
    assert body == {"status": "ok", "healthy": True, "version": VERSION, "auth_mode": "dev"}


async def test_ready_tells_what_is_degraded_and_still_is_ready(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.state_of_health = Readiness("degraded", ("embedding: late",), {"store": "ok", "embedding": "late"})
    answer = await http.get("/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "state": "degraded",
        "reasons": ["embedding: late"],
        "checks": {
            "store": "ok",
            "embedding": "late",
            "agfs": {"status": "ok", "checks": {"filesystem": "ok", "multiwrite_sync": "not_supported"}},
            "vectordb": "ok",
            "api_key_manager": "not_configured",
            "ollama": "not_configured",
        },
    }
    assert (await http.get("/api/v1/debug/health")).json()["result"] == {"healthy": False}


async def test_ready_tells_how_many_vectors_there_are(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.state_of_health = Readiness(
        "ready", (), {"store": "ok"}, (VectorCount(32, 2_028, {"content_filter": 1}, "e5"),)
    )
    vectors = (await http.get("/ready")).json()["vectors"]
    assert vectors == {"made": 32, "wanted": 2_028, "refused": {"content_filter": 1}, "model": "e5"}


async def test_waiting_answers_the_queues(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    result = (await http.post("/api/v1/system/wait", json={"timeout": 5})).json()["result"]
    assert result["Embedding"] == {"processed": 5, "requeue_count": 0, "error_count": 0, "errors": []}
    assert (result["Semantic"]["processed"], result["Semantic"]["error_count"]) == (2, 1)
    assert engine.state.calls == [("wait", {"timeout_s": 5.0})]
    assert (await http.post("/api/v1/system/wait")).status_code == 200
    assert engine.state.calls[-1] == ("wait", {"timeout_s": None})


async def test_counting(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/v1/debug/vector/count")).json()["result"] == {
        "count": 7,
        "vectors": {"made": 5, "wanted": 7, "refused": {"content_filter": 1}, "model": "e5"},
    }
