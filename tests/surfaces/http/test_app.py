"""The documents that describe the API are true, and work offline."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from recalld.domain.uri import Uri
from recalld.surfaces.http.app import ENDPOINTS, Application
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.envelope import ErrorEnvelope, envelope_of
from recalld.surfaces.http.unsupported_routes import UnsupportedRoute
from tests.surfaces.http.fake_engine import FakeEngine

FILE = "viking://resources/docs/a.md"
CORE = """
GET /health
GET /api/v1/system/status
GET /api/v1/fs/ls
GET /api/v1/fs/tree
GET /api/v1/fs/stat
POST /api/v1/fs/mkdir
DELETE /api/v1/fs
POST /api/v1/fs/mv
GET /api/v1/content/read
GET /api/v1/content/abstract
GET /api/v1/content/overview
POST /api/v1/content/write
POST /api/v1/resources/temp_upload
POST /api/v1/resources
POST /api/v1/search/find
POST /api/v1/search/search
POST /api/v1/search/recall
POST /api/v1/search/grep
POST /api/v1/search/glob
POST /api/v1/sessions
GET /api/v1/sessions
GET /api/v1/sessions/{session_id}
POST /api/v1/sessions/{session_id}/messages
POST /api/v1/sessions/{session_id}/messages/batch
POST /api/v1/sessions/{session_id}/commit
GET /api/v1/sessions/{session_id}/context
GET /api/v1/sessions/{session_id}/archives/{archive_id}
DELETE /api/v1/sessions/{session_id}
GET /api/v1/tasks/{task_id}
"""
# One good request for every route: path parameters, query and body.
GOOD: dict[str, tuple[dict[str, str], dict[str, Any] | None]] = {
    "system.vector_count": ({}, None),
    "fs.ls": ({"uri": "viking://resources"}, None),
    "fs.tree": ({"uri": "viking://resources"}, None),
    "fs.stat": ({"uri": FILE}, None),
    "fs.rm": ({"uri": FILE, "wait": "true"}, None),
    "fs.mkdir": ({}, {"uri": "viking://resources/n"}),
    "fs.mv": ({}, {"from_uri": FILE, "to_uri": "viking://resources/b.md"}),
    "fs.cp": ({}, {"from_uri": FILE, "to_uri": "viking://resources/b.md"}),
    "content.read": ({"uri": FILE}, None),
    "content.abstract": ({"uri": "viking://resources"}, None),
    "content.overview": ({"uri": "viking://resources"}, None),
    "content.write": ({}, {"uri": FILE, "content": "x", "wait": True}),
    "content.batch_write": ({}, {"root_uri": "viking://resources", "operations": [{"uri": FILE, "content": "x"}]}),
    "search.find": ({}, {"query": "x", "include_provenance": True, "telemetry": True}),
    "search.search": ({}, {"query": "x", "mode": "context"}),
    "search.recall": ({}, {"query": "x"}),
    "search.grep": ({}, {"uri": "viking://resources", "pattern": "h"}),
    "search.glob": ({}, {"pattern": "**"}),
    "search.why_not": ({}, {"query": "x", "uri": FILE}),
    "sessions.append": ({}, {"role": "user", "content": "x"}),
    "sessions.append_batch": ({}, {"messages": [{"role": "user", "content": "x"}]}),
}


def test_every_core_route_is_there() -> None:
    wanted = set(CORE.strip().splitlines())
    assert len(wanted) == 29
    assert wanted <= {f"{v.method} {v.path}" for v in ENDPOINTS}


FACETS = {
    "stats.usage",
    "stats.memories",
    "debug.scroll",
    "sessions.configure",
    "sessions.extract",
    "sessions.tool_results",
    "sessions.tool_result",
    "sessions.search_tool_result",
    "fs.attributes",
    "fs.set_tags",
    "fs.versions",
    "fs.restore",
    "content.diff",
    "content.set_tags",
    "content.reindex",
    "system.consistency",
}
"""Routes whose verbs the fake engine does not have: stories on a real one hold their answers to the document."""
FACET_TAGS = {"admin", "log", "pack", "privacy-configs", "skills", "snapshot", "user-settings"}
"""The same for whole families of routes."""


def enveloped() -> list[Endpoint]:
    return [
        v
        for v in ENDPOINTS
        if v.media == "application/json"
        and v.handler.__name__ not in {"temp_upload", "add", "cancel"}
        and v.operation not in FACETS
        and v.tag not in FACET_TAGS
    ]


@pytest.mark.parametrize("endpoint", enveloped(), ids=lambda v: f"{v.method} {v.path}")
async def test_answers_are_what_the_document_says(
    http: httpx.AsyncClient, engine: FakeEngine, endpoint: Endpoint
) -> None:
    engine.state.files[Uri.parse(FILE)] = b"hello"
    engine.state.folders.add(Uri.parse("viking://resources/docs"))
    engine.state.sessions["s"] = []
    if endpoint.operation == "sessions.create":
        engine.state.sessions.clear()
    params, body = GOOD.get(endpoint.operation, ({}, None))
    path = (
        endpoint.path.format(session_id="s", task_id="task_1", archive_id="archive_001")
        if "{" in endpoint.path
        else endpoint.path
    )
    answer = await http.request(endpoint.method, path, params=params, json=body)
    assert answer.status_code == 200, answer.text
    TypeAdapter(endpoint.result if endpoint.bare else envelope_of(endpoint.result)).validate_json(
        answer.content, strict=True
    )


@pytest.mark.parametrize(
    "endpoint", [v for v in ENDPOINTS if v.path.startswith("/api")], ids=lambda v: f"{v.method} {v.path}"
)
async def test_every_route_refuses_in_the_documented_envelope(http: httpx.AsyncClient, endpoint: Endpoint) -> None:
    path = re.sub(r"\{\w+\}", "x", endpoint.path)
    answer = await http.request(endpoint.method, path, headers={"X-OpenViking-User": "no/user"}, content=b"[")
    assert answer.status_code == 400
    ErrorEnvelope.model_validate_json(answer.content, strict=True)


async def test_the_document_holds_every_route_with_answers_and_errors(http: httpx.AsyncClient) -> None:
    spec = (await http.get("/openapi.json")).json()
    served = [endpoint for endpoint in ENDPOINTS if not endpoint.later]
    for endpoint in served:
        operation = spec["paths"][endpoint.path][endpoint.method.lower()]
        assert {str(endpoint.status), "default"} == set(operation["responses"]), endpoint.path
        assert operation["summary"]
        assert operation["description"]
    ids = [op["operationId"] for path in spec["paths"].values() for op in path.values()]
    assert len(ids) == len(set(ids)) == len(served)


async def test_the_document_tells_requests(http: httpx.AsyncClient) -> None:
    spec = (await http.get("/openapi.json")).json()
    ls = spec["paths"]["/api/v1/fs/ls"]["get"]
    assert {p["name"] for p in ls["parameters"]} >= {"uri", "output", "limit", "sort_by"}
    find = spec["components"]["schemas"]["FindBody"]
    assert find["additionalProperties"] is False
    assert "multipart/form-data" in spec["paths"]["/api/v1/resources/temp_upload"]["post"]["requestBody"]["content"]
    assert spec["paths"]["/api/v1/search/recall"]["post"]["deprecated"] is True
    assert "requestBody" not in ls


async def test_the_docs_page_needs_no_network(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "openapi.json" in page.text
    assert re.findall(r"(?:src|href|url)\s*[=(:]\s*[\"']?(?:https?:)?//", page.text) == []


async def test_an_unused_documentation_route_is_not_there(http: httpx.AsyncClient) -> None:
    assert (await http.get("/redoc")).status_code == 404


def test_routes_are_tried_busiest_first(app: Application) -> None:
    served = [r for r in app.router.routes if not isinstance(r.endpoint, UnsupportedRoute)]  # type: ignore[attr-defined]
    assert served[-1].path.startswith("/docs")  # type: ignore[attr-defined]
    assert ENDPOINTS[0].operation == "search.find"
