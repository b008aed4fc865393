"""Payloads of jobs: a row stored by an earlier version still runs, one of a newer version is refused with a message."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recalld.app.admin import AdminOperations
from recalld.app.job_registry import KINDS
from recalld.app.worker_loop import run_job
from recalld.app.workspace import Workspace
from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit
from recalld.domain.errors import Corrupt
from recalld.domain.job import Job, Lane, NewJob, StoredJob, TaskStatus
from recalld.domain.uri import Uri
from recalld.usecases.tree.prepare import reparse_job
from tests.harness import Harness, plant

NOTE = "viking://resources/a.md"
OLD = {
    "import": '{"upload": "src", "root": "viking://resources/src", "choice": {"name": "src", "include": [], "exclude": [], '
    '"ignore_dirs": []}, "single": false, "split": true, "tags": ["kind=bird"], "ours": false, "total": 1}',
    "extract": '{"session_id": "s"}',
    "auto_commit": '{"session_id": "s"}',
    "reindex": '{"uri": "viking://resources/a.md", "mode": "vectors_only", "recursive": true, "tags": ["kind=bird"], '
    '"append": false, "type": "file"}',
    "tiers": "{}",
    "embed": "{}",
    "enrich": "{}",
    "shape": '{"uri": "viking://resources/a.md"}',
    "purge": "{}",
    "reown": '{"node": 3}',
    "revive": '{"uri": "viking://resources/a.md"}',
    "recheck": '{"after": 0}',
    "rederive": "{}",
    "leave": '{"account": "acme", "user": "ana"}',
}
"""By kind, the first layout of its payload that this program stored, before payloads had a version."""


async def run_old(harness: Harness, kind: str, **fields: object) -> None:
    """Run the pending job of a kind as if an earlier version had stored it."""
    harness.clock.advance(5.0)
    job = await harness.lease_of(kind)
    await run_job(replace(job, payload={**json.loads(OLD[kind]), **fields}), harness.ports)
    left = await harness.queue(kind)
    assert (left.running, left.dead) == (0, 0)


async def enqueue(harness: Harness, job: NewJob) -> None:
    await harness.ports.ledger.tenant(harness.engine.caller).commit(Commit(jobs=(job,)))


async def import_(harness: Harness, tmp_path: Path) -> None:
    added = await harness.engine.add(plant(tmp_path / "src", {"b.md": "the heron stood still"}))
    await run_old(harness, "import", upload=str(tmp_path / "src"))
    assert (await harness.engine.tasks.get(added.task_id)).status is TaskStatus.COMPLETED
    assert await harness.found("heron") == ["viking://resources/src/b.md"]


async def extract(harness: Harness, tmp_path: Path) -> None:
    await harness.append("s", "I prefer tea to coffee.")
    did = await harness.commit("s")
    await run_old(harness, "extract")
    assert (await harness.engine.tasks.get(did.task_id)).status is TaskStatus.COMPLETED


async def auto_commit(harness: Harness, tmp_path: Path) -> None:
    policy = {"pending_token_threshold": 10_000, "message_count_threshold": 3, "idle_timeout_seconds": 60}
    await harness.engine.sessions.create("s", config={"auto_commit_policy": policy})
    await harness.append("s", "1", "2", "3", "4")
    await run_old(harness, "auto_commit")
    assert (await harness.engine.sessions.get("s")).commit_count == 1


async def reindex(harness: Harness, tmp_path: Path) -> None:
    root = harness.engine.as_caller(Caller(role=Role.ROOT))
    began = await root.index.reindex(NOTE)
    await run_old(harness, "reindex")
    assert (await harness.engine.tasks.get(began.task_id)).status is TaskStatus.COMPLETED
    assert (await harness.engine.stat(NOTE)).tags == ("kind=bird",)


async def tiers(harness: Harness, tmp_path: Path) -> None:
    await run_old(harness, "tiers")
    assert "heron" in await harness.engine.abstract("viking://resources")


async def embed(harness: Harness, tmp_path: Path) -> None:
    await run_old(harness, "embed")


async def enrich(harness: Harness, tmp_path: Path) -> None:
    await enqueue(harness, NewJob("enrich", "enrich"))
    await run_old(harness, "enrich")


async def shape(harness: Harness, tmp_path: Path) -> None:
    await enqueue(harness, reparse_job(Uri.parse(NOTE)))
    await run_old(harness, "shape")
    assert await harness.found("heron") == [NOTE]


async def purge(harness: Harness, tmp_path: Path) -> None:
    await harness.engine.rm(NOTE)
    await run_old(harness, "purge")


async def reown(harness: Harness, tmp_path: Path) -> None:
    node = (await harness.engine.stat(NOTE)).id
    await enqueue(harness, NewJob("reown", f"reown:{node}"))
    await run_old(harness, "reown", node=node)


async def revive(harness: Harness, tmp_path: Path) -> None:
    await enqueue(harness, NewJob("revive", f"revive:{NOTE}"))
    await run_old(harness, "revive")
    assert await harness.found("heron") == [NOTE]


async def recheck(harness: Harness, tmp_path: Path) -> None:
    await enqueue(harness, NewJob("recheck", "recheck"))
    await run_old(harness, "recheck")


async def rederive(harness: Harness, tmp_path: Path) -> None:
    await enqueue(harness, NewJob("rederive", "rederive"))
    await run_old(harness, "rederive")


async def leave(harness: Harness, tmp_path: Path) -> None:
    admin = AdminOperations(harness.ports, Caller("default", "root", Role.ROOT))
    await admin.create_account("acme", "ben", seed=None, settings={})
    await admin.create_user("acme", "ana", role="user", seed=None, settings={})
    ana = Workspace(harness.ports, Caller("acme", "ana", Role.USER), 5.0)
    await ana.write("viking://~/memories/notes/a.md", "a heron")
    await harness.settle()
    task = (await admin.delete_user("acme", "ana")).task_id
    await run_old(harness, "leave")
    root = harness.ports.ledger.tenant(Caller("default", "root", Role.ROOT))
    assert (await root.task(task)).status is TaskStatus.COMPLETED


RUNS: dict[str, Callable[[Harness, Path], Awaitable[None]]] = {
    "import": import_, "extract": extract, "auto_commit": auto_commit, "reindex": reindex, "tiers": tiers, "embed": embed,
    "enrich": enrich, "shape": shape, "purge": purge, "reown": reown, "revive": revive, "recheck": recheck, "rederive": rederive,
    "leave": leave,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_an_old_payload_outlives_an_upgrade(harness: Harness, tmp_path: Path, kind: str) -> None:
    if kind not in {"import", "extract", "auto_commit", "leave"}:
        await harness.write(NOTE, "the heron stood still")
    await RUNS[kind](harness, tmp_path)


def stored(kind: str, payload: dict[str, Any]) -> StoredJob:
    return Job(1, kind, kind, Caller(), payload, Lane.BULK, 1, 0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_stored_has_the_old_keys_and_a_version_and_reads_back_the_same(kind: str) -> None:
    payload = KINDS[kind].payload.decode(stored(kind, json.loads(OLD[kind]))).payload
    now = json.loads(json.dumps(payload.job().payload))
    assert now.keys() >= json.loads(OLD[kind]).keys() - {"total"} | {"version"}
    assert KINDS[kind].payload.decode(stored(kind, now)).payload == payload


@pytest.mark.parametrize("kind", KINDS)
async def test_a_payload_of_a_newer_version_is_refused_at_once_and_says_why(harness: Harness, kind: str) -> None:
    await enqueue(harness, NewJob(kind, kind, {**json.loads(OLD[kind]), "version": KINDS[kind].payload.VERSION + 1}))
    job = await harness.lease_of(kind)
    await run_job(job, harness.ports)
    assert (await harness.queue(kind)).dead == 1


async def test_the_refusal_names_the_versions_and_reaches_the_task(harness: Harness, tmp_path: Path) -> None:
    added = await harness.engine.add(plant(tmp_path / "src", {"b.md": "the heron stood still"}))
    job = await harness.lease_of("import")
    await run_job(replace(job, payload={**job.payload, "version": 9}), harness.ports)
    task = await harness.engine.tasks.get(added.task_id)
    assert task.status is TaskStatus.FAILED
    assert "payload of version 9; this version of recalld reads up to 1" in task.error


def test_a_payload_of_no_known_layout_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="no known layout"):
        KINDS["reown"].payload.decode(stored("reown", {"node": "three"}))
