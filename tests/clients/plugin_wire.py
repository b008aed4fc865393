"""The protocol of the agent plugins: headers, how they interpret an answer, and which refusals they retry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

API = "/api/v1"
LEGACY_WORDS = ("extra", "mode", "unexpected")
"""In a refused context request these make the shared recall core call the server an old one for six hours."""


@dataclass(slots=True)
class Refused:
    """An answer that the client treats as a failure."""

    status: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def kept_for_retry(self) -> bool:
        """True if the client keeps the message and sends it again later; otherwise it drops it."""
        details = self.body["error"].get("details") or {}
        again = self.status == 409 and details.get("retryable") is True
        return self.status in (408, 429) or self.status >= 500 or again


@dataclass(slots=True)
class Plugin:
    """One plugin. Calls that it needs to succeed answer ``result``, or the whole body where there is none."""

    http: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)

    async def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        got = await self.ask(method, path, body, **query)
        assert not isinstance(got, Refused), f"{method} {path}: {got}"
        return got

    async def refused(self, method: str, path: str, body: Any = None, **query: Any) -> Refused:
        got = await self.ask(method, path, body, **query)
        assert isinstance(got, Refused), f"{method} {path}: {got}"
        assert isinstance(got.body["error"]["message"], str)
        return got

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """One request as every plugin takes its answer: 2xx and no ``status: error`` is success."""
        where = path if path.startswith(("/health", "/mcp")) else API + path
        answer = await self.http.request(method, where, json=body, params=query, headers=self.headers)
        payload = answer.json()
        if answer.is_success and payload.get("status") != "error":
            return payload["result"] if payload.get("result") is not None else payload
        return Refused(answer.status_code, payload)

    async def uploaded(self, name: str, data: bytes) -> str:
        """temp_upload; returns the id."""
        answer = await self.http.post(
            f"{API}/resources/temp_upload", files={"file": (name, data)}, headers=self.headers
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["result"]["temp_file_id"])

    async def settled(self) -> None:
        """Until the background work is done."""
        await self("POST", "/system/wait", {"timeout": 60})

    async def remembers(self, path: str, text: str) -> str:
        """Write one of the user's memories; returns its address as answers name it."""
        uri = f"viking://~/memories/{path}"
        wrote = await self("POST", "/content/write", {"uri": uri, "content": text, "mode": "create"})
        return str(wrote["uri"])


def bearer(user: str = "ana", **more: str) -> dict[str, str]:
    """What most plugins send about themselves."""
    return {
        "Authorization": "Bearer none",
        "X-OpenViking-Account": "default",
        "X-OpenViking-User": user,
        "User-Agent": "a-plugin/1.0",
        **more,
    }


def turn(text: str, role: str = "user") -> dict[str, Any]:
    """A captured message as the shared capture sends it."""
    return {"role": role, "content": text, "created_at": "2026-11-25T10:00:00.000Z"}
