"""Files on a full disk: uploads, packs and large contents are refused with a message, leave nothing, and work again later.

A limit on the size of files simulates the disk, in a separate process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import asyncio, json, pathlib, random, resource, sys
import httpx
from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.surfaces.http.app import create_app

API, LIMIT = "/api/v1", 300_000
LARGE = random.Random(7).randbytes(500_000).hex()

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def attempts(http, facts, data):
    async def note(name, path, **request):
        answer = await http.post(API + path, **request)
        message = answer.json()["error"]["message"] if answer.status_code != 200 else ""
        facts[name] = [answer.status_code, message]
    await note("upload", "/resources/temp_upload", files={"file": ("a.bin", LARGE.encode())})
    await note("export", "/pack/export", json={"uri": "viking://resources/docs"})
    await note("backup", "/pack/backup", json={})
    await note("write", "/content/write", json={"uri": "viking://resources/large.md", "content": LARGE[:700_000]})
    await note("append", "/sessions/s/messages", json={"role": "user", "content": "a small one"})
    await note("find", "/search/find", json={"query": "heron"})
    read = await http.get(API + "/content/read", params={"uri": "viking://resources/docs/a.md"})
    facts["read"] = [read.status_code, ""]
    facts["left"] = sorted(p.name for p in (data / "uploads").glob("*") if not p.name.startswith("upload_"))

async def main(data):
    facts = {"full": {}, "later": {}}
    async with Engine.open(data, worker="none", embedder={"provider": "none"}) as engine:
        await engine.write("viking://resources/docs/a.md", LARGE[:200_000])
        await engine.write("viking://resources/docs/b.md", LARGE[200_000:])
        await engine.write("viking://resources/docs/c.md", "the heron stood still")
        await engine._ports.compaction.compact()
        transport = httpx.ASGITransport(app=create_app(engine, ServerConfig()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as http:
            limit(LIMIT)
            await attempts(http, facts["full"], data)
            limit(resource.RLIM_INFINITY)
            await attempts(http, facts["later"], data)
            facts["check"] = await engine.check()
    print(json.dumps(facts))

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""
REFUSED = ("upload", "export", "backup", "write")


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("full")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder / "data")], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", REFUSED)
def test_a_full_disk_refuses_in_words_that_name_no_folder(facts: Any, name: str) -> None:
    status, message = facts["full"][name]
    assert (status, message[:16]) == (503, "the disk is full")
    assert "/" not in message


@pytest.mark.parametrize("name", ["read", "find"])
def test_reading_goes_on(facts: Any, name: str) -> None:
    assert facts["full"][name][0] == 200


def test_nothing_is_left_of_what_was_refused(facts: Any) -> None:
    assert facts["full"]["left"] == facts["later"]["left"] == []
    assert facts["check"] == []


@pytest.mark.parametrize("name", [*REFUSED, "append", "find", "read"])
def test_all_of_it_works_when_there_is_room(facts: Any, name: str) -> None:
    assert facts["later"][name] == [200, ""]
