"""A fake provider: the embedding, rerank and chat interfaces on loopback, healthy or broken in any way.

``fault`` selects its answers from the next request on; ``seen`` records the requests.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import numpy as np

WIDTH = 32
HUGE = 50 << 20
KEY_HEADERS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key"})
REASONS = {200: "OK", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 429: "Too Many Requests"}


@dataclass
class ReceivedRequest:
    """One request: where, with which headers, and what."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Provider:
    """``fault``: ok, hang, trickle, reset, garbage, dimensions, huge, a status code as text, or one after "quotes ": with all
    that it was sent in its body, its reason and its headers (a redirect's address among them). ``delay_s``: before any
    answer. ``retry_after``: header of a 429 ("" = none). ``says``: a chat's answer, "" = what ``chat`` makes of itself.
    ``forms``: the response_format types it knows; asked for another it answers 400."""

    port: int = 0
    fault: str = "ok"
    delay_s: float = 0.0
    retry_after: str = ""
    width: int = WIDTH
    says: Callable[[ReceivedRequest], str] | None = None
    forms: tuple[str, ...] = ("json_schema", "json_object")
    seen: list[ReceivedRequest] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, which many of these tests are about, or the test ended
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))) or b"{}")
        request = ReceivedRequest(head[0].split(" ")[1], headers, body)
        self.seen.append(request)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.fault == "hang":
            await self.let_go.wait()
            return False
        if self.fault == "reset":
            writer.transport.abort()
            return False
        if self.fault == "huge":
            return await self._huge(writer)
        data, status = self._answer(request)
        more = f"Retry-After: {self.retry_after}\r\n" if self.retry_after and status == 429 else ""
        reason = REASONS.get(status, "X")
        if self.fault.startswith("quotes "):
            reason = " ".join(value for name, value in headers.items() if name in KEY_HEADERS) or reason
            more += f"Location: {self.url}/elsewhere?key={quote(reason)}\r\nX-Request-Key: {reason}\r\n"
        head_out = f"HTTP/1.1 {status} {reason}\r\nContent-Length: {len(data)}\r\n{more}\r\n"
        if self.fault == "trickle":
            writer.write(head_out.encode())
            return await self._trickle(writer, data)
        writer.write(head_out.encode() + data)
        await writer.drain()
        return True

    async def _huge(self, writer: asyncio.StreamWriter) -> bool:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {HUGE}\r\n\r\n".encode())
        for _ in range(HUGE >> 16):
            writer.write(b" " * (1 << 16))
            await writer.drain()
        return True

    async def _trickle(self, writer: asyncio.StreamWriter, data: bytes) -> bool:
        for at in range(len(data)):
            writer.write(data[at : at + 1])
            await writer.drain()
            if at == 8:
                await self.let_go.wait()
        return True

    def _answer(self, request: ReceivedRequest) -> tuple[bytes, int]:
        if self.fault.isdecimal():
            return json.dumps({"error": {"message": f"told to answer {self.fault}"}}).encode(), int(self.fault)
        if self.fault.startswith("quotes "):
            echo = f"{request.headers} {request.body}"
            payload = {
                "error": {"message": echo, "type": echo, "code": "invalid_api_key"},
                "data": [{"index": 0, "embedding": echo}],
            }
            return json.dumps(payload).encode(), int(self.fault.removeprefix("quotes "))
        if self.fault == "garbage":
            return b"<html>not json", 200
        kind = request.path.rsplit("/", 1)[-1].split("?")[0]
        if "rerank" in kind:
            return json.dumps(rerank(request.body)).encode(), 200
        if kind in {"completions", "messages"}:
            if request.body.get("response_format", {}).get("type", self.forms[0] if self.forms else "") not in {
                *self.forms,
                "",
            }:
                return b'{"error": {"message": "response_format is not supported"}}', 400
            return json.dumps(chat(kind, request.body, self.says(request) if self.says else "")).encode(), 200
        width = self.width + (7 if self.fault == "dimensions" else 0)
        return json.dumps(embeddings(request, width)).encode(), 200


def vector(text: str, width: int) -> np.ndarray:
    """Equal words, equal numbers: texts that share words are near each other."""
    total = np.zeros(width, np.float32)
    for word in text.lower().split():
        total += _of_word(word, width)
    norm = float(np.linalg.norm(total))
    return total / norm if norm else total


@lru_cache(20_000)
def _of_word(word: str, width: int) -> np.ndarray:
    """Kept: beside a crowd on the same two processors, a provider that stands for another machine should cost little."""
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")
    return np.random.default_rng(seed).standard_normal(width).astype(np.float32)


def embeddings(request: ReceivedRequest, width: int) -> dict[str, Any]:
    body = request.body
    if "requests" in body:  # Gemini
        texts = [r["content"]["parts"][0]["text"] for r in body["requests"]]
        return {"embeddings": [{"values": vector(t, width).tolist()} for t in texts]}
    texts = body.get("input") or body.get("texts")
    rows = [vector(t, width) for t in texts]
    if "texts" in body:  # Cohere
        return {"embeddings": {"float": [r.tolist() for r in rows]}}
    if body.get("encoding_format") == "base64":
        coded = [base64.b64encode(r.astype("<f4").tobytes()).decode() for r in rows]
        return {"data": [{"index": i, "embedding": c} for i, c in enumerate(coded)][::-1]}
    return {"data": [{"index": i, "embedding": r.tolist()} for i, r in enumerate(rows)]}


def rerank(body: dict[str, Any]) -> Any:
    """Relevance: the share of the question's words that a text has."""
    words = set(body["query"].lower().split())
    texts = body.get("documents") or body.get("texts")
    scores = [len(words & set(t.lower().split())) / max(1, len(words)) for t in texts]
    order = sorted(range(len(texts)), key=lambda i: -scores[i])
    if "texts" in body:  # TEI
        return [{"index": i, "score": scores[i]} for i in order]
    key = "data" if "top_k" in body else "results"  # Voyage says data
    return {key: [{"index": i, "relevance_score": scores[i]} for i in order]}


def chat(kind: str, body: dict[str, Any], text: str = "") -> dict[str, Any]:
    """Says ``text``, or the last words it was told, as JSON."""
    prompt = body["messages"][-1]["content"]
    text = text or json.dumps({"echo": prompt[:200]})
    if kind == "messages":
        return {"content": [{"type": "text", "text": text}], "usage": {"input_tokens": 10, "output_tokens": 5}}
    return {"choices": [{"message": {"content": text}}], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}


@asynccontextmanager
async def provider(**how: Any) -> AsyncIterator[Provider]:
    """A provider on a free port of loopback."""
    fake = Provider(**how)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        fake.let_go.set()
        server.close()
