"""A refused method lists the allowed ones."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/sessions", {"GET", "HEAD", "POST"}),
        ("/api/v1/sessions/one", {"DELETE", "GET", "HEAD"}),
        ("/api/v1/search/find", {"POST"}),
        ("/api/v1/skills/find", {"POST"}),
        ("/api/v1/snapshot/ignore", {"DELETE", "GET", "HEAD", "PUT"}),
    ],
)
async def test_a_405_names_every_method_of_its_path(http: httpx.AsyncClient, path: str, methods: set[str]) -> None:
    refused = await http.request("TRACE", path)
    assert refused.status_code == 405
    assert set(refused.headers["allow"].split(", ")) == methods
