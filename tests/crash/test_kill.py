"""A writing process killed at any time: acknowledged commits are there once, others complete or absent."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from recalld.adapters.blobs.files import FileBlobs
from recalld.adapters.clock.system import SystemClock
from recalld.adapters.sqlite.ledger.ledger import open_ledger
from recalld.domain.errors import NotFound
from recalld.infra.thread_pool import Pool
from recalld.ports.ledger import Tenant
from tests.contract.ledger_harness import sound
from tests.crash.ledger_loop import ACTORS, CALLER, State, Step, applied, folder_of, new_state, session_of, text_of

ROOT = Path(__file__).parents[2]
WAIT_S = 60.0


@dataclass
class _Round:
    """What one life of the process told: per actor the acknowledged commits and the one begun last."""

    opened: bool = False
    done: dict[int, list[list[Step]]] = field(default_factory=dict)
    begun: dict[int, list[Step]] = field(default_factory=dict)


def _live_and_die(folder: Path, states: list[State], seed: int) -> _Round:
    """Start the process, kill it somewhere between its first breath and half a second of work."""
    journal, states_file = folder.parent / f"journal{seed}", folder.parent / "states"
    states_file.write_text(json.dumps(states))
    chance = random.Random(seed)
    life = [sys.executable, "-m", "tests.crash.ledger_loop", str(folder), str(states_file), str(seed), str(journal)]
    with (folder.parent / "errors").open("wb") as errors:
        process = subprocess.Popen(
            life, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, stderr=errors, start_new_session=True
        )
        early = chance.random() < 0.15
        with suppress(subprocess.TimeoutExpired):
            process.wait(chance.random() * 0.5 if early else _until(process, journal))
        with suppress(subprocess.TimeoutExpired):
            process.wait(0 if early else chance.random() * 0.4)
        process.kill()
        assert process.wait(WAIT_S) == -9, (folder.parent / "errors").read_text()
    return _read(journal)


def _until(process: subprocess.Popen[bytes], journal: Path) -> float:
    """Wait until the process has told that it is open."""
    while not (journal.exists() and journal.stat().st_size):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
            break
    return 0.0


def _read(journal: Path) -> _Round:
    round_ = _Round()
    lines = journal.read_text().splitlines() if journal.exists() else []
    for what, *about in map(json.loads, lines):
        match what:
            case "open":
                round_.opened = True
            case "tell":
                round_.begun[about[0]] = about[1]
            case "ack":
                round_.done.setdefault(about[0], []).append(round_.begun.pop(about[0]))
    return round_


async def _seen(tenant: Tenant, actor: int) -> State:
    """What the store holds of an actor."""
    state = new_state()
    with suppress(NotFound):
        for node in await tenant.list(folder_of(actor), limit=100):
            state["files"][node.uri.name] = (await tenant.read(node.uri)).decode()
    with suppress(NotFound):
        state["messages"] = [[m.id, m.archive] for m in await tenant.messages(session_of(actor))]
        state["archives"] = len(await tenant.archives(session_of(actor)))
    return state


def _translated_errors(actor: int, state: State) -> State:
    files = {name: text_of(actor, number) for name, number in state["files"].items()}
    return {**state, "files": files, "next": 0}


async def _after(folder: Path, states: list[State], round_: _Round) -> tuple[list[State], int]:
    """Open the store again and hold it against the journal; returns what it holds, and how many commits that is."""
    pool = Pool("blobs", running_max=2, waiting_max=64)
    ledger = await open_ledger(folder, blobs=FileBlobs(folder / "blobs", pool), clock=SystemClock())
    try:
        found, count = [], 0
        for actor, before in enumerate(states):
            state = before
            for steps in round_.done.get(actor, []):
                state, count = applied(state, steps), count + 1
            seen = await _seen(ledger.tenant(CALLER), actor)
            possible = [state, *([applied(state, round_.begun[actor])] if actor in round_.begun else [])]
            match = [s for s in possible if _translated_errors(actor, s) == seen]
            assert match, f"actor {actor}: {seen} is none of {possible}"
            # Numbers are not used again, whether the last commit happened or not.
            found.append({**match[0], "next": possible[-1]["next"]})
            session = await _session_counts(ledger.tenant(CALLER), actor)
            assert session == sum(1 for _, archive in match[0]["messages"] if not archive)
        assert await ledger.maintenance.check() == []
        lost = "SELECT count(*) FROM chunk WHERE id NOT IN (SELECT id FROM fts_docsize)"
        more = "SELECT count(*) FROM fts_docsize WHERE id NOT IN (SELECT id FROM chunk)"
        twice = "SELECT count(*) FROM (SELECT session, id FROM message GROUP BY session, id HAVING count(*) > 1)"
        for fault in (lost, more, twice):
            assert await ledger.access.readers.read(lambda c, sql=fault: c.execute(sql).fetchall()) == [(0,)]
    finally:
        await ledger.close()
        pool.close()
    assert sound(folder)
    return found, count


async def _session_counts(tenant: Tenant, actor: int) -> int:
    try:
        return (await tenant.session(session_of(actor))).message_count
    except NotFound:
        return 0


async def _kill_over_and_over(folder: Path, rounds: int, seed: int) -> Counter[str]:
    states, toll = [new_state() for _ in range(ACTORS)], Counter[str]()
    for number in range(rounds):
        round_ = _live_and_die(folder, states, seed + number)
        states, count = await _after(folder, states, round_)
        toll += Counter(kills=1, commits=count, open=int(round_.opened), under_way=len(round_.begun))
    return toll


@pytest.mark.loop_may_block  # the test itself starts and kills processes
async def test_acknowledged_commits_survive_a_kill(tmp_path: Path) -> None:
    toll = await _kill_over_and_over(tmp_path / "data", 3, seed=int(os.environ.get("RECALLD_SEED", "1")))
    assert toll["commits"] > 0


@pytest.mark.slow
@pytest.mark.loop_may_block
async def test_two_hundred_kills(tmp_path: Path) -> None:
    toll = await _kill_over_and_over(tmp_path / "data", 200, seed=int(os.environ.get("RECALLD_SEED", "1000")))
    print(dict(toll))
    assert toll["open"] > 100
    assert toll["commits"] > 1_000
