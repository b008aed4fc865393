"""Pack a small store that a former commit writes, for ``tests/scenarios/test_old_stores.py``.

    python scripts/old_store.py b1ea7f734452 tests/scenarios/old_stores/b1ea7f734452.tar.xz

The commit's own source writes it, in a process of its own: files, a session with an archive, tags, a move, a removal and a
snapshot, all of it settled. Then, without a worker, changes whose jobs wait in the queue.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WRITE = """
import asyncio, pathlib, sys
from recalld.app.engine import Engine
from recalld.app.history import SnapshotVerbs

EMBEDDER = {"kind": "hash"}

async def main(data):
    async with Engine.open(data, worker="inside", embedder=EMBEDDER) as engine:
        for n in range(5):
            await engine.write(f"viking://resources/f{n}.md", f"# file {n}\\nuniqueword{n} lorem ipsum")
        await engine.write("viking://resources/large.md", "a line of the large one\\n" * 8000)
        await engine.write("viking://user/default/memories/preferences/tea.md", "Ana prefers oolong tea.")
        await engine.write("viking://resources/gone.md", "what is removed")
        await engine.say("s", [{"role": "user", "content": "the heron stood still", "id": "m1"}])
        await engine.wait(timeout_s=60)
        await engine.session_commit("s")
        await engine.mv("viking://resources/f4.md", "viking://resources/deep/moved.md")
        await engine.rm("viking://resources/gone.md")
        await engine.verbs(SnapshotVerbs).commit("before the upgrade")
        await engine.wait(timeout_s=60)
    async with Engine.open(data, worker="none", embedder=EMBEDDER) as engine:
        await engine.write("viking://resources/waits.md", "a waiting line about egrets\\n" * 8000)
        await engine.say("s", [{"role": "user", "content": "the bittern boomed", "id": "m2"}])
        await engine.session_commit("s")
        await engine.rm("viking://resources/f3.md")

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


def main(commit: str, target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(["git", "archive", commit, "src"], cwd=ROOT, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        data = Path(folder) / "data"
        environment = {**os.environ, "PYTHONPATH": str(Path(folder) / "src")}
        subprocess.run([sys.executable, "-c", WRITE, str(data)], env=environment, cwd=folder, check=True, timeout=120)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(target, "w:xz", preset=9) as out:
            out.add(data, "data", filter=_plain)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
