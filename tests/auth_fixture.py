"""A real engine behind HTTP with keys: one account with an owner and a second user, and another account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson

from recalld.app.config import ServerConfig
from recalld.surfaces.http.app import create_app
from recalld.surfaces.http.mounts import MountedApps
from tests.harness import Harness, harness_at

ROOT_KEY = "root-key-of-the-tests"
API = "/api/v1"


@dataclass(slots=True)
class Answer:
    """Status, JSON body (None if it is none), headers."""

    status: int
    body: Any
    headers: httpx.Headers
    raw: bytes

    @property
    def text(self) -> str:
        return self.raw.decode("utf-8", "replace")

    @property
    def result(self) -> Any:
        assert self.status in {200, 202}, f"{self.status}: {self.text}"
        return self.body["result"]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


@dataclass(slots=True)
class Place:
    """``keys``: by ``account/user``."""

    harness: Harness
    http: httpx.AsyncClient
    keys: dict[str, str] = field(default_factory=dict)

    async def ask(self, who: str, method: str, path: str, **request: Any) -> Answer:
        """One request as ``account/user``, as ``root``, with ``wrong`` or with ``no`` key."""
        headers = {**self.headers(who), **request.pop("headers", {})}
        whole = path if path.startswith(("/health", "/ready", "/metrics", "/mcp", API)) else API + path
        got = await self.http.request(method, whole, headers=headers, **request)
        kind = got.headers.get("content-type", "")
        return Answer(
            got.status_code,
            orjson.loads(got.content) if kind.startswith("application/json") and got.content else None,
            got.headers,
            got.content,
        )

    def headers(self, who: str) -> dict[str, str]:
        match who:
            case "no":
                return {}
            case "wrong":
                return {"X-API-Key": f"{next(iter(self.keys.values()))}A"}
            case "root":
                return {"X-API-Key": ROOT_KEY}
        return {"X-API-Key": self.keys[who]}

    async def people(self, *who: str) -> None:
        """Make ``account/user``, the first of an account as its admin."""
        for one in who:
            account, user = one.split("/")
            there = {a["account_id"] for a in (await self.ask("root", "GET", "/admin/accounts")).result}
            if account in there:
                body: dict[str, Any] = {"user_id": user}
                response = await self.ask("root", "POST", f"/admin/accounts/{account}/users", json=body)
            else:
                body = {"account_id": account, "admin_user_id": user}
                response = await self.ask("root", "POST", "/admin/accounts", json=body)
            self.keys[one] = response.result["user_key"]

    async def settle(self) -> None:
        """Do every job that waits, whatever it waits for."""
        await self.harness.settle()


@asynccontextmanager
async def place_at(folder: Path, *, mounted_apps: MountedApps | None = None, **server: Any) -> AsyncIterator[Place]:
    """Open it; ``server`` are settings, by default those of api_key mode."""
    settings = ServerConfig(**(server or {"root_api_key": ROOT_KEY}))
    async with harness_at(folder) as harness:
        app = create_app(harness.engine, settings, mounted_apps=mounted_apps)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as http:
            yield Place(harness, http)
        app.app_state.close()
