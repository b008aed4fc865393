"""Security headers of every answer: no sniffing, no caching, no framing."""

from __future__ import annotations

import httpx
import pytest

from recalld.surfaces.http.app import ENDPOINTS, Application
from tests.surfaces.http.test_crossorigin import EVIL, places

PAGES = ("/docs", "/docs/page.js", "/docs/page.css")


@pytest.mark.parametrize(("method", "path"), places())
async def test_no_answer_is_sniffed_or_kept(http: httpx.AsyncClient, method: str, path: str) -> None:
    for headers in ({}, {"Origin": EVIL}, {"Host": "evil.example"}, {"X-Request-ID": "a b"}):
        answer = await http.request(method, path, headers=headers)
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        assert answer.headers["cache-control"] in {"no-store", "no-cache"}
        if answer.status_code >= 400 or path.startswith("/api/"):
            assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
async def test_pages_run_own_scripts_only_and_cannot_be_framed(http: httpx.AsyncClient, path: str) -> None:
    headers = (await http.get(path)).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert "sha256" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"


async def test_the_docs_page_has_nothing_inline_and_all_it_names_is_served(http: httpx.AsyncClient) -> None:
    page = (await http.get("/docs")).text
    assert "<style" not in page
    assert " style=" not in page
    assert " on" not in page.replace(" only", "")
    assert page.count("<script") == page.count('<script src="docs/page.js" defer></script>') == 1
    script, style = await http.get("/docs/page.js"), await http.get("/docs/page.css")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "openapi.json" in script.text
    assert style.headers["content-type"].startswith("text/css")
    assert "color-scheme" in style.text


def test_every_route_that_sends_bytes_is_known(app: Application) -> None:
    """Each of them names a download (``sending.attachment``); ``/snapshot/show`` does with a path."""
    media = {
        f"{endpoint.method} {endpoint.path}": endpoint.media
        for endpoint in ENDPOINTS
        if endpoint.media != "application/json"
    }
    assert set(media) == {
        "GET /api/v1/content/download",
        "POST /api/v1/pack/export",
        "POST /api/v1/pack/backup",
        "GET /metrics",
    }
