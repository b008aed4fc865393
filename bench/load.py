"""The load generator, a process of its own: ``python -m bench.load`` reads a plan, prints what it saw as JSON.

The plan is JSON on the first line of stdin: port, files, seconds (0: until stdin closes) and streams, each with kind (find,
ask, search, append, commit, health, stat; ask never asks the same twice), clients and think_s between a client's requests.
A message carries its turn's number; ``said`` has [client, turn] of every acknowledged message.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop

from bench import corpus
from bench.wire import Wire


class Load:
    """A running generator, seen from the measuring process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def end(self) -> dict[str, Any]:
        """Stop it and return per kind: count, errors, seconds and every latency in ms."""
        out, _ = await self._process.communicate(b"")
        if self._process.returncode:
            raise RuntimeError("the load generator failed")
        return dict(json.loads(out))


@asynccontextmanager
async def loading(port: int, files: int, *streams: dict[str, Any], seconds: float = 0) -> AsyncIterator[Load]:
    """Run streams beside the block; call ``end`` inside it to stop and read."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    plan = {"port": port, "files": files, "seconds": seconds, "streams": streams, "salt": time.monotonic_ns() // 10**6}
    process.stdin.write(json.dumps(plan).encode() + b"\n")
    await process.stdin.drain()
    try:
        assert process.stdout is not None
        await process.stdout.readline()  # everybody has had a first answer
        yield Load(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run_for(port: int, files: int, seconds: float, *streams: dict[str, Any]) -> dict[str, Any]:
    """Run streams for a time and return what they saw."""
    async with loading(port, files, *streams, seconds=seconds) as load:
        return await load.end()


async def _client(kind: str, number: int, plan: dict[str, Any], think_s: float, seen: dict[str, Any]) -> None:
    wire = Wire(plan["port"])
    questions = corpus.queries(plan["files"]) if kind in {"find", "ask", "search"} else []
    bodies = [corpus.find_body(query) for query in questions]
    turn = number * 37
    while True:
        turn += 1
        session = f"/api/v1/sessions/{'commit' if kind == 'commit' else 'bench'}-{number}"
        if kind in {"find", "search"}:
            request = ("POST", f"/api/v1/search/{kind}", bodies[turn % len(bodies)])
        elif kind == "ask":
            question = f"{questions[turn % len(questions)]} {plan['salt']}x{number}x{turn}"
            request = ("POST", "/api/v1/search/find", corpus.find_body(question))
        elif kind == "commit":
            status, _, _ = await wire.send("POST", f"{session}/messages", decided(number, turn))
            if status < 300:
                seen["said"].append((number, turn))
            request = ("POST", f"{session}/commit", b"{}")
        elif kind == "append":
            body = json.dumps({"role": "user", "content": f"turn {turn}: we talked about {corpus.note(turn)[:200]}"})
            request = ("POST", f"{session}/messages", body.encode())
        elif kind == "stat":
            request = ("GET", f"/api/v1/fs/stat?uri=viking://resources/bench/{corpus.path(turn % plan['files'])}", b"")
        else:
            request = ("GET", "/health", b"")
        status, _, took_s = await wire.send(*request)
        seen["warm"] += turn == number * 37 + 1
        seen["ms"].append(took_s * 1000)
        seen["errors"] += status >= 300
        if status >= 300:
            seen["statuses"][status] = seen["statuses"].get(status, 0) + 1
        elif kind == "append":
            seen["said"].append((number, turn))
        if think_s:
            await asyncio.sleep(think_s)


def decided(team: int, turn: int) -> bytes:
    """Something worth remembering, with or without a language model."""
    text = f"turn {turn}: We decided on Monday that Alice takes task T{turn} of team {team} for {turn % 40 + 2} days."
    return json.dumps({"role": "user", "content": text}).encode()


async def _main() -> None:
    plan = json.loads(sys.stdin.readline())
    seen: dict[str, Any] = {
        stream["kind"]: {"ms": [], "errors": 0, "warm": 0, "said": [], "statuses": {}} for stream in plan["streams"]
    }
    tasks = [
        asyncio.ensure_future(_client(stream["kind"], n, plan, stream.get("think_s", 0), seen[stream["kind"]]))
        for stream in plan["streams"]
        for n in range(stream["clients"])
    ]
    clients = sum(stream["clients"] for stream in plan["streams"])
    while sum(kind["warm"] for kind in seen.values()) < clients and not any(task.done() for task in tasks):
        await asyncio.sleep(0.01)
    print("under way", flush=True)
    for kind in seen.values():
        kind["ms"].clear()
    begun = time.perf_counter()
    if plan["seconds"]:
        end: asyncio.Future[Any] = asyncio.ensure_future(asyncio.sleep(plan["seconds"]))
    else:
        end = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(None, sys.stdin.read))
    await asyncio.wait([end, *tasks], return_when=asyncio.FIRST_COMPLETED)
    broken = [task for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    for kind in seen.values():
        kind["seconds"] = time.perf_counter() - begun
        kind["count"] = len(kind["ms"])
    print(json.dumps(seen))
    for task in broken:
        task.result()


if __name__ == "__main__":
    uvloop.run(_main())
