"""A process that writes into a ledger as fast as it can and logs each attempt and acknowledgement to a file.

Four concurrent actors, each with its own folder and session, so that commits are shared and each actor's log suffices to
reconstruct its writes. ``tell`` lines precede a commit, ``ack`` lines follow it: the last ``tell`` may have been committed
or not; everything before it is committed once and completely.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

from recalld.adapters.blobs.files import FileBlobs
from recalld.adapters.clock.system import SystemClock
from recalld.adapters.sqlite.ledger.ledger import SqliteLedger, open_ledger
from recalld.domain.caller import Caller
from recalld.domain.commit import (
    INLINE_BYTES_MAX,
    Append,
    ArchiveMessages,
    Commit,
    Move,
    NewMessage,
    Op,
    PutFile,
    Remove,
    WriteMode,
)
from recalld.domain.document import Chunk
from recalld.domain.job import Lane, NewJob
from recalld.domain.session import Message
from recalld.domain.uri import Uri
from recalld.infra.thread_pool import Pool
from recalld.ports.ledger import Tenant

ACTORS = 4
NAMES = tuple(f"f{n}.md" for n in range(6))
CALLER = Caller("acme", "ana")
State = dict[str, Any]
"""``files``: name to text; ``messages``: [id, archive] in order; ``archives``: how many; ``next``: number of the next text."""
Step = list[Any]
"""A verb and what it is about."""


def new_state() -> State:
    return {"files": {}, "messages": [], "archives": 0, "next": 0}


def folder_of(actor: int) -> Uri:
    return Uri(("resources", f"actor{actor}"))


def session_of(actor: int) -> str:
    return f"session{actor}"


def text_of(actor: int, number: int) -> str:
    """The text of a file or message, derived from its number. Every ninth is too large for the database itself."""
    return f"actor {actor} says number{number} " * (3_000 if number % 9 == 8 else 1)


def choose(state: State, chance: random.Random) -> list[Step]:
    """The steps of the next commit; several of them must happen together or not at all."""
    files = sorted(state["files"])
    live = [m for m in state["messages"] if not m[1]]
    number = state["next"]
    appends = [["say", number + k] for k in range(chance.randint(1, 3))]
    written = [["write", chance.choice(NAMES), number + 5]]
    kinds: list[list[Step]] = [appends, written, [*appends, *written]]
    if files:
        gone = chance.choice(files)
        free = [n for n in NAMES if n not in files]
        kinds.append([["remove", gone]])
        kinds.append([["remove", gone], ["write", gone, number + 6]])
        kinds += [[["move", gone, free[0]]]] if free else []
    if live:
        kinds.append([["archive", len(state["messages"]) - 1]])
    return chance.choice(kinds)


def applied(state: State, steps: list[Step]) -> State:
    """What the store must hold after a commit."""
    after = copy.deepcopy(state)
    after["next"] = state["next"] + 10
    for verb, *about in steps:
        match verb:
            case "say":
                after["messages"].append([f"m{about[0]}", 0])
            case "write":
                after["files"][about[0]] = about[1]
            case "remove":
                del after["files"][about[0]]
            case "move":
                after["files"][about[1]] = after["files"].pop(about[0])
            case "archive":
                after["archives"] += 1
                after["messages"] = [[m, a or after["archives"]] for m, a in after["messages"]]
    return after


async def _ops(actor: int, steps: list[Step], blobs: FileBlobs) -> tuple[Op, ...]:
    ops: list[Op] = []
    for verb, *about in steps:
        match verb:
            case "say":
                text = text_of(actor, about[0])[:40]
                message = Message(f"m{about[0]}", "user", ({"type": "text", "text": text},), text, at=1.0, tokens=3)
                ops.append(Append(session_of(actor), (NewMessage(message, (_chunk(text),), text),)))
            case "write":
                ops.append(await _put(folder_of(actor) / about[0], text_of(actor, about[1]), blobs))
            case "remove":
                ops.append(Remove(folder_of(actor) / about[0]))
            case "move":
                ops.append(Move(folder_of(actor) / about[0], folder_of(actor) / about[1]))
            case "archive":
                task = f"task-{actor}-{about[0]}"
                job = NewJob("extract", task, task_id=task)
                ops.append(ArchiveMessages(session_of(actor), about[0], 0, task, job))
    return tuple(ops)


async def _put(uri: Uri, text: str, blobs: FileBlobs) -> PutFile:
    data = text.encode()
    small = len(data) <= INLINE_BYTES_MAX
    if not small:
        await blobs.put(data)
    return PutFile(
        uri,
        WriteMode.UPSERT,
        hashlib.sha256(data).hexdigest(),
        len(data),
        "text/markdown",
        data=data if small else None,
        chunks=(_chunk(text[:40]),),
    )


def _chunk(text: str) -> Chunk:
    return Chunk(0, len(text), tuple(text.lower().split()))


class _Journal:
    """Lines in a file, written at once: the kernel keeps them when this process is killed."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def tell(self, *line: Any) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")


async def _act(actor: int, state: State, seed: int, tenant: Tenant, blobs: FileBlobs, journal: _Journal) -> None:
    chance = random.Random(f"{seed}/{actor}")
    while True:
        steps = choose(state, chance)
        ops = await _ops(actor, steps, blobs)
        journal.tell("tell", actor, steps)
        await tenant.commit(Commit(ops, (NewJob("embed", "embed"),)))
        journal.tell("ack", actor)
        state = applied(state, steps)


async def _clean(ledger: SqliteLedger) -> None:
    """What a worker does meanwhile."""
    while True:
        await ledger.cleanup.purge(nodes_max=5)
        for job in await ledger.jobs.lease(worker="w", jobs_max=4, lease_s=0.05):
            if job.kind in {"purge", "embed"}:
                await ledger.tenant(job.caller).commit(Commit(done=job.id), lane=Lane.BULK)


async def main(folder: Path, states: list[State], seed: int, journal: _Journal) -> None:
    pool = Pool("blobs", running_max=2, waiting_max=64)
    blobs = FileBlobs(folder / "blobs", pool)
    ledger = await open_ledger(folder, blobs=blobs, clock=SystemClock())
    journal.tell("open")
    tenant = ledger.tenant(CALLER)
    async with asyncio.TaskGroup() as group:
        group.create_task(_clean(ledger))
        for actor, state in enumerate(states):
            group.create_task(_act(actor, state, seed, tenant, blobs, journal))


if __name__ == "__main__":
    asyncio.run(
        main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), int(sys.argv[3]), _Journal(sys.argv[4]))
    )
