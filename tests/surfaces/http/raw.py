"""A request in bare ASGI, whose test controls when each byte arrives."""

from __future__ import annotations

from typing import Any

from starlette.types import Receive

from recalld.surfaces.http.app import Application


async def posted(app: Application, path: str, receive: Receive, headers: list[tuple[bytes, bytes]]) -> int:
    """POST whatever ``receive`` gives; returns the answer's status, 0 if there was none."""
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *headers],
    }
    await app(scope, receive, send)
    return statuses[0] if statuses else 0
