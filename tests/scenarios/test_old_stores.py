"""Stores written by earlier commits of this repository: opened, migrated, searched, written."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from recalld.adapters.sqlite.database.migration import copies
from recalld.app.engine import Engine
from recalld.domain.job import TaskStatus
from tests.architecture.project import ROOT

COMMITS = {"c74789c62d17": 2, "af562a9cd33a": 2, "473faf8baeac": 1}
"""With the schema each of them writes."""
WRITE = """
import asyncio, pathlib, sys
from recalld.app.engine import Engine

async def main(data):
    async with Engine.open(pathlib.Path(data), worker="inside", embedder={"kind": "hash"}) as engine:
        for n in range(5):
            await engine.write(f"viking://resources/f{n}.md", f"# file {n}\\nuniqueword{n} lorem ipsum")
        await engine.write("viking://resources/large.md", "a line of the large one\\n" * 8000)
        await engine.say("s", [{"role": "user", "content": "the heron stood still", "id": "m1"}])
        await engine.wait(timeout_s=60)
    source = pathlib.Path(data).parent / "birds"
    source.mkdir()
    (source / "stork.md").write_text("the stork flew off")
    async with Engine.open(pathlib.Path(data), worker="none", embedder={"kind": "hash"}) as engine:  # its jobs are left
        await engine.write("viking://resources/larger.md", "a word of the pelican\\n" * 8000)
        await engine.session_commit("s")
        await engine.add(source)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.loop_may_block  # the older version runs in a process of its own
@pytest.mark.parametrize("commit", COMMITS)
async def test_a_store_of_an_earlier_commit_opens_migrates_and_answers(commit: str, tmp_path: Path) -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs the repository's history")
    packed = subprocess.run(["git", "archive", commit, "src"], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip(f"the history has no {commit}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(tmp_path, filter="data")
    data = tmp_path / "data"
    # It knows fewer settings than those that the tests set.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RECALLD_")}
    environment = {**inherited, "PYTHONPATH": str(tmp_path / "src")}
    subprocess.run([sys.executable, "-c", WRITE, str(data)], env=environment, cwd=tmp_path, check=True, timeout=120)
    for start in range(2):
        async with Engine.open(data, worker="inside", embedder={"provider": "hash"}) as engine:
            for n in range(5):
                assert (await engine.read(f"viking://resources/f{n}.md")).endswith("lorem ipsum")
                assert (await engine.find(f"uniqueword{n}")).hits[0].uri.name == f"f{n}.md"
            assert len(await engine.read("viking://resources/large.md")) == 192_000
            assert (await engine.find("heron")).hits[0].uri.name == "m1.md"
            await engine.wait(timeout_s=60)  # jobs that the earlier version left
            assert (await engine.find("stork")).hits[0].uri.name == "stork.md"
            assert (await engine.find("pelican")).hits[0].uri.name == "larger.md"
            assert (await engine.sessions.get("s")).commit_count == 1
            assert not any(queue.dead for queue in await engine.queues())
            await engine.write("viking://resources/new.md", f"written after {start + 1} starts")
            assert await engine.check() == []
        left = [copy.name for copy in copies(data / "recalld.db")]
        assert left == ([f"recalld.db.schema-{COMMITS[commit]}"] if start == 0 else [])


# ------------------------------------------------------------------ the store of scripts/old_store.py
STORES = sorted(Path(__file__).with_name("old_stores").glob("*.tar.xz"))


@pytest.mark.parametrize("packed", STORES, ids=lambda path: path.name.partition(".")[0])
async def test_a_packed_store_of_a_former_commit_opens_answers_and_does_its_jobs(packed: Path, tmp_path: Path) -> None:
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    async with Engine.open(tmp_path / "data", worker="none", embedder={"provider": "hash"}) as engine:
        waiting = {q.kind for q in await engine.queues() if q.pending}
        assert waiting >= {"shape", "extract", "purge"}
    async with Engine.open(tmp_path / "data", worker="inside", embedder={"provider": "hash"}) as engine:
        await engine.wait(timeout_s=60)
        async with asyncio.timeout(60):  # texts are derived again in the background, which nothing waits for
            while any(q.pending or q.running for q in await engine.queues()):
                await asyncio.sleep(0.02)
        assert not any(q.dead for q in await engine.queues())
        assert {t.status for t in await engine.tasks.list()} == {TaskStatus.COMPLETED}
        for n, place in ((0, "f0.md"), (1, "f1.md"), (2, "f2.md"), (4, "deep/moved.md")):
            assert (await engine.read(f"viking://resources/{place}")).endswith("lorem ipsum")
            assert (await engine.find(f"uniqueword{n}")).hits[0].uri.name == place.rpartition("/")[2]
        assert (await engine.find("egrets")).hits[0].uri.name == "waits.md"
        assert (await engine.find("heron")).hits[0].uri.name == "m1.md"
        assert (await engine.find("oolong")).hits[0].uri.name == "tea.md"
        assert [a.state for a in await engine.sessions.archives("s")] == ["done", "done"]
        assert "f3.md" not in {hit.uri.name for hit in (await engine.find("uniqueword3")).hits}
        assert [s.message for s in await engine.snapshots.log()] == ["before the upgrade"]
        await engine.history.undo()
        assert (await engine.read("viking://resources/f3.md")).endswith("lorem ipsum")
        assert await engine.check() == []
