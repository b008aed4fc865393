"""The embedded engine with its own worker, on the system clock."""

from __future__ import annotations

from pathlib import Path

from recalld.app.engine import Engine
from tests.harness import plant
from tests.tripwire import Tripwire

DECISION = "I decided that we move to Lisbon in March."


async def test_messages_imports_and_files_are_there_after_a_restart(tmp_path: Path, tripwire: Tripwire) -> None:
    data, docs = (
        tmp_path / "data",
        plant(tmp_path / "docs", {"refunds.md": "# Refunds\n\nThe window is thirty days.\n"}),
    )
    async with Engine.open(data, embedder={"provider": "hash"}) as r:
        tripwire.trips.clear()  # the wire is stretched for verbs, not for making the folder
        await r.sessions.append("monday", [{"role": "user", "content": DECISION}])
        await r.sessions.commit("monday")
        added = await r.add(docs, wait=True, timeout_s=60)
        await r.write("viking://~/memories/preferences/tea.md", "Ana prefers oolong.")
        await r.wait(timeout_s=60)
        assert (added.result or {})["status"] == "success"
    async with Engine.open(data, embedder={"provider": "hash"}) as r:
        tripwire.trips.clear()
        first = {q: str((await r.find(q)).hits[0].uri) for q in ("Lisbon in March", "refund window", "oolong")}
        assert first["Lisbon in March"].startswith("viking://user/default/memories/events/")
        assert first["refund window"] == "viking://resources/docs/refunds.md"
        assert first["oolong"] == "viking://user/default/memories/preferences/tea.md"
        assert "refunds.md" in await r.overview("viking://resources/docs")
        assert await r.check() == []
        usage = await r.usage()
        assert usage.vectors == usage.chunks


async def test_work_left_at_closing_is_done_at_the_next_opening(tmp_path: Path, tripwire: Tripwire) -> None:
    async with Engine.open(tmp_path, embedder={"provider": "none"}, worker="none") as r:
        tripwire.trips.clear()
        await r.sessions.append("monday", [{"role": "user", "content": DECISION}])
        task_id = (await r.sessions.commit("monday")).task_id
    async with Engine.open(tmp_path, embedder={"provider": "none"}) as r:
        tripwire.trips.clear()
        await r.wait(timeout_s=60)
        assert (await r.tasks.get(task_id)).status == "completed"
        assert len((await r.sessions.archive("monday", "archive_001"))[1]) == 1
