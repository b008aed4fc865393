"""The metrics that Prometheus scrapes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from recalld.app.config import ServerConfig
from recalld.domain.results import Readiness, VectorCount
from recalld.surfaces.http.app import Application, create_app
from recalld.surfaces.http.request import RequestCounters
from tests.architecture.project import DOCS
from tests.surfaces.http.fake_engine import FakeEngine

_SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)')


@pytest.fixture
async def fresh(engine: FakeEngine) -> AsyncIterator[Application]:
    app = create_app(engine, ServerConfig())  # type: ignore[arg-type]
    yield app
    app.app_state.close()


def client_of(app: Application) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost")


def samples(text: str) -> dict[str, float]:
    """Every line's value, by name and labels; a line that is no sample fails."""
    found: dict[str, float] = {}
    typed: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in typed, f"{name} comes twice"
            typed.add(name)
        elif not line.startswith("#"):
            match = _SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] in typed or re.sub("_(bucket|sum|count)$", "", match[1]) in typed, line
            key = f"{match[1]}{{{match[2] or ''}}}"
            assert key not in found, key
            found[key] = float(match[3])
    return found


async def test_requests_are_counted_by_route_and_status(fresh: Application) -> None:
    async with client_of(fresh) as http:
        for path in ("/health", "/health", "/api/v1/tasks/task_1", "/api/v1/tasks/nope", "/no/such/path"):
            await http.get(path)
        await http.request("BREW", "/health")
        answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)
    counted = {key: n for key, n in found.items() if key.startswith("recalld_http_requests_total")}
    assert counted == {
        'recalld_http_requests_total{method="GET",route="/health",status="200"}': 2,
        'recalld_http_requests_total{method="GET",route="/api/v1/tasks/{task_id}",status="200"}': 1,
        'recalld_http_requests_total{method="GET",route="/api/v1/tasks/{task_id}",status="404"}': 1,
        'recalld_http_requests_total{method="GET",route="none",status="404"}': 1,
        'recalld_http_requests_total{method="other",route="none",status="405"}': 1,
    }
    assert found['recalld_http_request_duration_seconds_count{method="GET",route="/health"}'] == 2
    assert found['recalld_http_request_duration_seconds_bucket{le="+Inf",method="GET",route="/health"}'] == 2


async def test_engine_metrics_are_the_last_snapshot(fresh: Application, engine: FakeEngine) -> None:
    engine.state_of_health = Readiness("degraded", ("embedding: late",), {"store": "ok", "embedding": "late"})
    async with client_of(fresh) as http:
        found = samples((await http.get("/metrics")).text)
    assert engine.state.calls == []
    assert found["recalld_ready{}"] == 0
    assert (found['recalld_check_ok{check="store"}'], found['recalld_check_ok{check="embedding"}']) == (1, 0)
    assert found['recalld_jobs{kind="embed",state="pending"}'] == 4
    assert found['recalld_search_stage_duration_seconds_count{stage="rank"}'] == 2
    assert found['recalld_search_stage_duration_seconds_bucket{le="0.001",stage="rank"}'] == 0
    assert found['recalld_job_queue_age_seconds{kind="embed"}'] == 12.5
    assert found['recalld_store_bytes{part="wal"}'] == 80
    assert found["recalld_event_loop_lag_seconds_sum{}"] == 0.25
    assert found["recalld_event_loop_lag_seconds_count{}"] == 3
    assert found['recalld_thread_pool_active_calls_limit{pool="http-disk"}'] >= 4


async def test_vectors_are_counted_where_there_is_an_embedder(fresh: Application, engine: FakeEngine) -> None:
    async with client_of(fresh) as http:
        assert "recalld_vectors" not in (await http.get("/metrics")).text
        engine.state_of_health = Readiness("ready", (), {}, (VectorCount(32, 2_028, {"content_filter": 1}, "e5"),))
        found = samples((await http.get("/metrics")).text)
    assert (found['recalld_vectors{model="e5"}'], found["recalld_vectors_expected{}"]) == (32, 2_028)
    assert found['recalld_vectors_rejected{model="e5",reason="content_filter"}'] == 1


async def test_metrics_are_served_before_the_store_is_open(fresh: Application) -> None:
    fresh.app_state.engine = None
    async with client_of(fresh) as http:
        found = samples((await http.get("/metrics")).text)
    assert not [key for key in found if "store" in key]
    assert [key for key in found if key.startswith("recalld_build_info")]


async def test_disabled_metrics_answer_404(engine: FakeEngine) -> None:
    app = create_app(engine, ServerConfig(metrics=False))  # type: ignore[arg-type]
    async with client_of(app) as http:
        answer = await http.get("/metrics")
    app.app_state.close()
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")


def test_invented_methods_and_paths_do_not_add_series() -> None:
    counters = RequestCounters()
    for n in range(1_000):
        counters.add(f"METHOD{n}", "", 405, 0.001)
    assert len(counters.routes()) == 1


async def test_labels_are_escaped(fresh: Application, engine: FakeEngine) -> None:
    engine.state_of_health = Readiness("degraded", (), {'x"} 1\ng 2\\': "ok"})
    async with client_of(fresh) as http:
        found = samples((await http.get("/metrics")).text)
    assert found[r'recalld_check_ok{check="x\"} 1\ng 2\\"}'] == 1


async def test_names_follow_the_conventions_of_prometheus(fresh: Application) -> None:
    async with client_of(fresh) as http:
        text = (await http.get("/metrics")).text
    kinds = dict(line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE "))
    assert {name for name, kind in kinds.items() if kind == "counter"} == {n for n in kinds if n.endswith("_total")}
    assert all(name.endswith("_seconds") for name, kind in kinds.items() if kind == "histogram")


async def test_every_metric_is_in_the_documents(fresh: Application, engine: FakeEngine) -> None:
    engine.state_of_health = Readiness("ready", (), {}, (VectorCount(32, 2_028, {"content_filter": 1}, "e5"),))
    async with client_of(fresh) as http:
        text = (await http.get("/metrics")).text
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    documented = set(re.findall(r"`(recalld_[a-z_]+)`", (DOCS / "monitoring.md").read_text(encoding="utf-8")))
    connections = {"recalld_http_connections", "recalld_http_connections_closed_total"}  # of a listening server
    assert names | connections == documented


async def test_requests_of_a_mounted_app_are_counted_under_its_path(engine: FakeEngine) -> None:
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(status_code=202)(scope, receive, send)

    app = create_app(engine, ServerConfig(), mounted_apps={"/mcp": lambda _: mounted})  # type: ignore[arg-type]
    async with client_of(app) as http:
        await http.post("/mcp")
        found = samples((await http.get("/metrics")).text)
    app.app_state.close()
    assert found['recalld_http_requests_total{method="POST",route="/mcp",status="202"}'] == 1
