"""Unsupported OpenViking routes name an alternative."""

from __future__ import annotations

import re

import httpx
import pytest

from recalld.surfaces.http.app import ENDPOINTS, Application
from recalld.surfaces.http.models.envelope import ErrorEnvelope
from recalld.surfaces.http.unsupported_routes import UNSUPPORTED, UnsupportedRoute


def example(path: str) -> str:
    return re.sub(r"\{\w+:path\}", "a/b", re.sub(r"\{\w+\}", "x", path))


@pytest.mark.parametrize("path", UNSUPPORTED)
async def test_a_known_route_that_is_not_served_says_so(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.request("POST", example(path), json={"x": 1})
    problem = ErrorEnvelope.model_validate_json(answer.content, strict=True).error
    assert (answer.status_code, problem.code) == (501, "UNIMPLEMENTED")
    what, instead = UNSUPPORTED[path]
    assert problem.message == f"{what} ({instead})"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "PROPFIND", "MKCOL"])
async def test_any_method_answers_501(http: httpx.AsyncClient, method: str) -> None:
    answer = await http.request(method, "/webdav/resources/notes/a.md")
    assert (answer.status_code, answer.headers["Allow"]) == (501, "OPTIONS")


async def test_webdav_options_answer_501(http: httpx.AsyncClient) -> None:
    answer = await http.request("OPTIONS", "/webdav/resources")
    assert (answer.status_code, answer.headers["Allow"], answer.content) == (204, "OPTIONS", b"")


async def test_clients_that_look_for_oauth_by_themselves_go_on_without(http: httpx.AsyncClient) -> None:
    for path in ("oauth-protected-resource", "oauth-authorization-server", "oauth-protected-resource/mcp"):
        assert (await http.get(f"/.well-known/{path}")).status_code == 404


def test_no_served_route_is_looked_up_later_for_it(built: Application) -> None:
    refusals = [isinstance(route.endpoint, UnsupportedRoute) for route in built.router.routes]  # type: ignore[attr-defined]
    first = refusals.index(True)
    assert first >= len(ENDPOINTS)
    assert all(refusals[first:])


async def test_nothing_is_watched(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/v1/watches?active_only=true")).json()["result"] == {"tasks": [], "total": 0}
    response = await http.get("/api/v1/watches", params={"to_uri": "viking://resources/docs"})
    assert (response.status_code, response.json()["error"]["details"]["type"]) == (404, "watch")
    assert (await http.delete("/api/v1/watches?to_uri=viking://resources/docs")).status_code == 501
