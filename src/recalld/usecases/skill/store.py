"""Store a skill: its ``SKILL.md`` and all other files, in one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, MakeDir, NewTask, Op, PutFile, Remove, UpdateTask, WriteMode
from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.job import TaskStatus
from recalld.domain.node import Entry
from recalld.domain.skill import SKILL_FILE, DeletedSkill, Skill, SkillFacts, SkillPackage, StoredSkill
from recalld.domain.uri import DEPTH_MAX, Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Commits, Tree
from recalld.rules.skill import checked_skill
from recalld.rules.skill_form import abstract_of, facts_json
from recalld.usecases.retrying import key_of, retrying
from recalld.usecases.tree.prepare import FOLLOW_UP_JOBS, jobs_after, prepare, put_file

OVERTAKEN = frozenset({"ABORTED", "ALREADY_EXISTS"})
CHUNKS_MAX = 400
"""Chunks indexed in the commit itself; jobs index the rest, so that long appendices do not delay the commit."""
NODES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class SkillInput:
    """A skill to store. ``must_be``: the required name of an existing skill ("" = any, new or existing); ``source``:
    its origin according to the sender; ``watched``: create a task with the result."""

    package: SkillPackage
    root: Uri
    must_be: str = ""
    source: Mapping[str, Any] | None = None
    watched: bool = False


async def store_skill(skill_input: SkillInput, caller: Caller, ports: Ports) -> StoredSkill:
    """Store a skill, replacing its former files. Raises ``Invalid`` (``SKILL_INVALID`` for invalid skills),
    ``NotFound`` if ``must_be`` does not exist, ``Conflict`` if it keeps changing."""
    facts = await ports.compute.run(checked_skill, skill_input.package.text)
    if skill_input.must_be and facts.name != skill_input.must_be:
        raise Invalid(
            f"the skill is called {facts.name}, not {skill_input.must_be}",
            remedy="give its SKILL.md the name it is updated by, or add it as a skill of its own",
            details={"field": "name", "expected": skill_input.must_be, "actual": facts.name},
        )
    uri = skill_input.root / facts.name
    tenant = ports.ledger.tenant(caller)
    puts = await _puts(uri, facts, skill_input, ports)

    async def attempt() -> StoredSkill:
        present = await _present(uri, tenant)
        if skill_input.must_be and present is None:
            raise missing_skill(facts.name)
        try:
            return await _commit(uri, facts, skill_input, puts, present, tenant, ports)
        except NotFound as removed:
            raise Conflict(f"{uri} was removed meanwhile", remedy="try again", code="ABORTED") from removed

    return await retrying(attempt, key_of(caller.account, uri), ports=ports, codes=OVERTAKEN)


async def remove_skill(skill: Skill, private: Uri | None, caller: Caller, ports: Ports) -> DeletedSkill:
    """Delete a skill and, if it exists, the directory ``private`` of its private values, in one commit."""
    tenant = ports.ledger.tenant(caller)
    private_entries = await _present(private, tenant) if private is not None else None
    ops: list[Op] = [Remove(skill.uri, recursive=True)]
    if private is not None and private_entries is not None:
        ops.append(Remove(private, recursive=True))
    receipt = await tenant.commit(Commit(tuple(ops), FOLLOW_UP_JOBS))
    below = 0 if private_entries is None else len(private_entries) + 1
    return DeletedSkill(skill, max(0, receipt.removed - below), private_entries is not None)


def missing_skill(name: str) -> NotFound:
    """Return the API's NOT_FOUND error for a skill."""
    return NotFound(
        f"Skill not found: {name}",
        remedy="list the skills to see those there are",
        details={"type": "skill", "resource": name},
    )


async def _puts(uri: Uri, facts: SkillFacts, skill_input: SkillInput, ports: Ports) -> list[PutFile]:
    """Return operations for ``SKILL.md`` first, then the other files; indexed here within a size limit."""
    puts: list[PutFile] = []
    chunks = 0
    for path, data in ((SKILL_FILE, skill_input.package.text.encode("utf-8", "replace")), *skill_input.package.files):
        at = Uri.parse(str(uri / path))
        put = await put_file(at, data, await prepare(at, data, ports), ports, mode=WriteMode.UPSERT)
        chunks += len(put.chunks or ())
        puts.append(put.replace(chunks=None) if puts and chunks > CHUNKS_MAX else put)
    source = {"skill": facts_json(facts)} | ({"origin": dict(skill_input.source)} if skill_input.source else {})
    return [puts[0].replace(source=source), *puts[1:]]


async def _present(uri: Uri, tree: Tree) -> list[Entry] | None:
    """Return the entries of a skill's folder; None if it does not exist."""
    try:
        return await tree.walk(uri, depth_max=DEPTH_MAX, nodes_max=NODES_MAX, hidden=True)
    except NotFound:
        return None


async def _commit(
    uri: Uri,
    facts: SkillFacts,
    skill_input: SkillInput,
    puts: Sequence[PutFile],
    present: list[Entry] | None,
    commits: Commits,
    ports: Ports,
) -> StoredSkill:
    here = next((e.node for e in present or () if e.rel_path == SKILL_FILE), None)
    # Removals depend on what was read: a SKILL.md changed meanwhile restarts the attempt.
    first = puts[0].replace(mode=WriteMode.CREATE) if here is None else puts[0].replace(expect=here.hash)
    stored = StoredSkill(
        Skill(uri, facts),
        len(puts) - 1,
        created=here is None,
        task_id=f"task_{ports.clock.token()}" if skill_input.watched else "",
        skipped=skill_input.package.skipped,
    )
    ops: list[Op] = [Remove(gone, recursive=True) for gone in _outdated(present or (), {p.uri for p in puts})]
    ops += [MakeDir(uri, exist_ok=True, abstract=abstract_of(facts)), first, *puts[1:], *_task(stored)]
    await commits.commit(Commit(tuple(ops), jobs_after(puts), cause=stored.task_id))
    return stored


def _outdated(present: Sequence[Entry], wanted: set[Uri]) -> list[Uri]:
    """Return topmost entries of the former skill that the new one does not have."""
    folders = {Uri(put.parts[:depth]) for put in wanted for depth in range(len(put.parts))}
    gone: list[Uri] = []
    for entry in present:
        uri = entry.node.uri
        stays = uri in folders if entry.node.is_dir else uri in wanted
        if not stays and not any(uri.under(above) for above in gone[-1:]):
            gone.append(uri)
    return gone


def _task(stored: StoredSkill) -> list[Op]:
    """The commit completes the work; the task only reports its result."""
    if not stored.task_id:
        return []
    uri = str(stored.skill.uri)
    result = {
        "status": "success",
        "root_uri": uri,
        "uri": uri,
        "name": stored.skill.name,
        "auxiliary_files": stored.auxiliary_files,
    }
    return [
        NewTask(stored.task_id, "add_skill", uri, {"name": stored.skill.name}),
        UpdateTask(stored.task_id, TaskStatus.COMPLETED, stage="completed", result=result),
    ]
