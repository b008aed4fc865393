"""Every operation with another caller's commit between any two of its awaits: the outcome equals some serial order, or is
an allowed refusal, and no acknowledged change is lost.

The operations are enumerated from ``app``: one without a case here fails the last test.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from recalld.app.admin import AdminOperations
from recalld.app.workspace import Workspace
from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.ports.bundle import Ports
from recalld.usecases.skill.queries import SkillView
from tests.harness import Harness
from tests.interleaving import Gate, gated
from tests.python_api import operation, python_api

DIR, NOTE, OTHER = "viking://resources/n", "viking://resources/n/tea.md", "viking://resources/n/b.md"
SKILL = "---\nname: fern\ndescription: Waters the fern.\n---\n\nWater it.\n"
VOLATILE = frozenset(
    {"id", "node_id", "seq", "task_id", "oid", "parent", "tree", "node", "key", "key_head", "created_at"}
)
REFUSALS = (NotFound, Conflict, Invalid)
POSITIONS_MAX = 60
Act = Callable[[Workspace], Awaitable[Any]]

TREE: tuple[Act, ...] = (
    lambda w: w.write(NOTE, "theirs\n", mode="append"),
    lambda w: w.rm(DIR, recursive=True),
    lambda w: w.mv(DIR, "viking://resources/m"),
)
TALK: tuple[Act, ...] = (
    lambda w: w.sessions.append("s", [{"role": "user", "content": "theirs"}]),
    lambda w: w.sessions.commit("s"),
    lambda w: w.sessions.delete("s"),
)
PRIVATE: tuple[Act, ...] = (
    lambda w: w.privacy.upsert("skill", "fern", {"n": 9}),
    lambda w: w.rm("viking://~/privacy/skill/fern", recursive=True),
)
SKILLS: tuple[Act, ...] = (
    lambda w: w.skills.add(SKILL.replace("Water it", "Water it twice")),
    lambda w: w.skills.remove("fern"),
)
MEMBERS: tuple[Act, ...] = (
    lambda w: w.admin.set_account_settings(w.caller.account, {"theirs": 1}),
    lambda w: w.admin.set_user_settings(w.caller.account, "ana", {"theirs": 1}),
)
PLACES: tuple[Act, ...] = (lambda w: w.locations.set({"skill_uri": "viking://agent/skills"}),)
SAVED: tuple[Act, ...] = (*TREE[:1], lambda w: w.snapshots.commit("theirs"))


@dataclass(frozen=True)
class Case:
    """A verb and who intrudes. ``answers`` False: only what the store holds afterwards is compared, not the answer."""

    verb: Act
    intruders: tuple[Act, ...] = TREE
    answers: bool = True


def _own(name: str, *args: Any, **more: Any) -> Act:
    return lambda w: operation(name)(w)(*args, **more)


def _account(name: str, *args: Any, **more: Any) -> Act:
    return lambda w: getattr(w.admin, name)(w.caller.account, *args, **more)


async def _created(w: Workspace, uri: str) -> int:
    """The seq of the entry that made a file, whatever became of it; 0 if the log knows of none."""
    page = await w.history.log(ops=["create"], limit=1_000)
    return next((e.seq for e in page.entries if e.uri == uri), 0)


async def _undo_creation(w: Workspace) -> Any:
    return await w.history.undo(seq=await _created(w, OTHER))


async def _restore_first(w: Workspace) -> Any:
    return await w.history.restore(DIR, str(await _created(w, OTHER)))


CASES: dict[str, Case] = {
    "stat": Case(_own("stat", NOTE)),
    "ls": Case(_own("ls", DIR)),
    "tree": Case(_own("tree", DIR)),
    "read": Case(_own("read", NOTE)),
    "read_page": Case(_own("read_page", NOTE, chars_max=1_000)),
    "read_bytes": Case(_own("read_bytes", NOTE)),
    "abstract": Case(_own("abstract", DIR)),
    "overview": Case(_own("overview", DIR)),
    "write": Case(_own("write", NOTE, "mine\n", mode="append")),
    "edit": Case(_own("edit", NOTE, "one\n", "one\nmine\n")),
    "write_many": Case(
        lambda w: w.write_many(
            DIR, [w.operation(NOTE, b"mine\n", "append"), w.operation(OTHER, b"x", "upsert")], wait=False
        )
    ),
    "mkdir": Case(_own("mkdir", f"{DIR}/new", description="mine")),
    "rm": Case(_own("rm", NOTE)),
    "mv": Case(_own("mv", NOTE, "viking://resources/moved.md")),
    "cp": Case(_own("cp", NOTE, "viking://resources/copied.md")),
    "grep": Case(_own("grep", DIR, "one|theirs"), TREE[:1]),
    "glob": Case(_own("glob", "**/*.md", DIR), TREE[1:2]),
    "count": Case(_own("count", DIR)),
    "sessions.create": Case(_own("sessions.create", "fresh"), TALK),
    "sessions.get": Case(_own("sessions.get", "s"), TALK),
    "sessions.list": Case(_own("sessions.list"), TALK),
    "sessions.append": Case(
        _own("sessions.append", "s", [{"role": "user", "content": "mine"}]), TALK[:2], answers=False
    ),
    "sessions.commit": Case(_own("sessions.commit", "s"), TALK, answers=False),
    "sessions.context": Case(_own("sessions.context", "s"), TALK),
    "sessions.archives": Case(_own("sessions.archives", "s"), TALK),
    "sessions.archive": Case(_own("sessions.archive", "s", "archive_001"), TALK),
    "sessions.delete": Case(_own("sessions.delete", "s"), TALK[:2]),
    "sessions.mark_used": Case(_own("sessions.mark_used", "s", skills=1), TALK),
    "tasks.list": Case(_own("tasks.list"), TALK[1:2]),
    "admin.account": Case(_account("account"), MEMBERS),
    "admin.users": Case(_account("users", limit=10), MEMBERS),
    "admin.user": Case(_account("user", "ana"), MEMBERS),
    "admin.create_user": Case(
        _account("create_user", "ben", role="user", seed=None, settings={}), MEMBERS, answers=False
    ),
    "admin.delete_user": Case(_account("delete_user", "ana"), MEMBERS),
    "admin.set_account_settings": Case(_account("set_account_settings", {"mine": 1}), MEMBERS),
    "admin.set_user_settings": Case(_account("set_user_settings", "ana", {"mine": 1}), MEMBERS),
    "admin.renew_key": Case(_account("renew_key", "ana", seed=None), MEMBERS, answers=False),
    "history.log": Case(_own("history.log"), answers=False),
    "history.versions": Case(_own("history.versions", NOTE), answers=False),
    "history.read_at": Case(_own("history.read_at", NOTE, "999999999")),
    "history.diff": Case(_own("history.diff", NOTE, since="1", to="999999999"), answers=False),
    "history.restore": Case(_restore_first, TREE, answers=False),
    "history.undo": Case(_undo_creation, TREE, answers=False),
    "stats.memories": Case(_own("stats.memories")),
    "stats.count": Case(_own("stats.count", DIR)),
    "stats.vectors": Case(_own("stats.vectors"), TREE[:1], answers=False),
    "locations.get": Case(_own("locations.get"), PLACES),
    "locations.set": Case(_own("locations.set", {"resource_uri": "viking://resources/in"}), PLACES),
    "locations.reset": Case(_own("locations.reset"), PLACES),
    "download": Case(_own("download", NOTE), answers=False),
    "privacy.categories": Case(_own("privacy.categories"), PRIVATE),
    "privacy.targets": Case(_own("privacy.targets", "skill"), PRIVATE),
    "privacy.config": Case(_own("privacy.config", "skill", "fern"), PRIVATE),
    "privacy.versions": Case(_own("privacy.versions", "skill", "fern"), PRIVATE),
    "privacy.version": Case(_own("privacy.version", "skill", "fern", 1), PRIVATE),
    "privacy.upsert": Case(_own("privacy.upsert", "skill", "fern", {"n": 2}), PRIVATE),
    "privacy.activate": Case(_own("privacy.activate", "skill", "fern", 1), PRIVATE),
    "privacy.tree": Case(_own("privacy.tree"), PRIVATE),
    "privacy.fields": Case(_own("privacy.fields", "skill", "fern"), PRIVATE),
    "privacy.field": Case(_own("privacy.field", "skill", "fern", "n"), PRIVATE),
    "privacy.resolve": Case(_own("privacy.resolve", "viking://~/privacy/skill/fern/n"), PRIVATE),
    "privacy.remove_field": Case(_own("privacy.remove_field", "skill", "fern", "n"), PRIVATE),
    "privacy.remove": Case(_own("privacy.remove", "skill", "fern"), PRIVATE),
    "skills.add": Case(_own("skills.add", SKILL.replace("it.", "it now.")), SKILLS),
    "skills.show": Case(_own("skills.show", "fern", SkillView()), SKILLS[1:]),
    "skills.remove": Case(_own("skills.remove", "fern"), SKILLS[:1], answers=False),
    "skills.list": Case(_own("skills.list"), SKILLS),
    "snapshots.commit": Case(_own("snapshots.commit", "mine"), SAVED, answers=False),
    "snapshots.log": Case(_own("snapshots.log"), SAVED, answers=False),
    "snapshots.read_ignore": Case(_own("snapshots.read_ignore"), SAVED),
    "snapshots.write_ignore": Case(_own("snapshots.write_ignore", "*.tmp"), SAVED),
    "sessions.configure": Case(_own("sessions.configure", "s", {"a": 1}), TALK),
    "sessions.extract": Case(_own("sessions.extract", "s"), TALK[:1], answers=False),
    "sessions.tool_results": Case(_own("sessions.tool_results", "s"), TALK),
    "index.attributes": Case(_own("index.attributes", NOTE)),
    "index.set_tags": Case(_own("index.set_tags", DIR, ["a=1"], recursive=True), TREE[:2], answers=False),
    "index.consistency": Case(_own("index.consistency", DIR), TREE[1:2]),
    "index.would_prune": Case(_own("index.would_prune", DIR), TREE[:1], answers=False),
    "index.reindex": Case(_own("index.reindex", "viking://~"), TREE[:1], answers=False),
    "stats.usage": Case(_own("stats.usage", 1), TREE[:1]),
}
OTHERWISE = {
    "find": "reads the index through caches that follow the log; tests/usecases/find",
    "search": "as find",
    "why_not": "reads as stat and find do",
    "assemble": "as find; what it writes is NoteRecall, one operation",
    "tasks.get": "one read",
    "tasks.cancel": "one operation of the writer; tests/usecases/maintenance/test_cancel.py",
    "wait": "waits for others by its nature",
    "admin.create_account": "one operation, then the first member's folders",
    "admin.accounts": "one read of all accounts, those of other cases among them",
    "admin.delete_account": "as delete_user",
    "admin.set_role": "one operation of the writer",
    "stats.scroll": "one page of the index",
    "skills.store": "what add calls",
    "skills.packages": "does not touch the store",
    "skills.usable": "does not touch the store",
    "skills.of_answer": "reads what find gave",
    "skills.validate": "does not touch the store",
    "sessions.tool_result": "one read of what never changes",
    "sessions.search_tool_result": "one read of what never changes",
    **dict.fromkeys(
        ("packs.export", "packs.backup", "packs.import_", "packs.restore"),
        "many commits or reads by design; tests/usecases/pack/test_interrupted.py",
    ),
    **dict.fromkeys(
        (f"snapshots.{name}" for name in ("show", "show_file", "versions", "diff", "diff_paths")),
        "reads what never changes: places in the log",
    ),
    "snapshots.restore": "many commits by design, each on a condition; tests/usecases/snapshot",
    "history.seq_of": "one read",
    "history.purge": "what housekeeping does every hour, for another age",
    "add": "tests/usecases/add",
}


def plain(value: Any, account: str) -> Any:
    """An answer without what differs from run to run."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.name not in VOLATILE}
        return {name: plain(one, account) for name, one in fields.items()}
    if isinstance(value, dict):
        return {str(k): plain(v, account) for k, v in value.items() if k not in VOLATILE}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one, account) for one in value]
    return re.sub(r"[0-9a-f]{16,}", "H", str(value).replace(account, "ACCOUNT"))


async def furnished(harness: Harness, number: int) -> Workspace:
    """An account of its own with one of everything."""
    name = f"acc{number:04d}"
    root = AdminOperations(harness.ports, Caller("default", "root", Role.ROOT))
    await root.create_account(name, "ana", seed=None, settings={})
    w = Workspace(harness.ports, Caller(name, "ana", Role.ADMIN), 5.0)
    await w.write(NOTE, "one\n")
    await w.write(OTHER, "two\n")
    await w.sessions.append("s", [{"role": "user", "content": f"message {i}", "id": f"m{i}"} for i in range(3)])
    await w.privacy.upsert("skill", "fern", {"n": 1})
    await w.skills.add(SKILL)
    return w


async def state(w: Workspace) -> Any:
    """All that callers have written."""
    tenant = w._ports.ledger.tenant(w.caller)
    found: dict[str, Any] = {}
    for entry in await tenant.walk(w.resolve("viking://"), depth_max=20, nodes_max=1_000, hidden=True):
        node = entry.node
        data = b"" if node.is_dir or "sessions" in node.uri.parts else await tenant.read(node.uri)
        if not node.is_dir or node.tags:
            found[str(node.uri)] = (node.tags, data)
    for session in await tenant.sessions():
        messages = [(m.text, m.archive) for m in await tenant.messages(session.id)]
        found[f"session {session.id}"] = (messages, session.config, session.skills_used, session.memories_extracted)
    member = await w._ports.registry.member(w.caller.account, "ana")
    account = await w._ports.registry.account(w.caller.account)
    found["settings"] = (
        member and member.settings,
        account and account.settings,
        await w.snapshots.read_ignore(),
    )
    return plain(found, w.caller.account)


async def outcome(act: Act, w: Workspace) -> Any:
    """The answer, or the family of the refusal."""
    try:
        return plain(await act(w), w.caller.account)
    except REFUSALS as refused:
        return type(refused).__name__


class Numbers:
    """Accounts by number."""

    def __init__(self) -> None:
        self.last = 0

    def next(self) -> int:
        self.last += 1
        return self.last


async def serial(harness: Harness, numbers: Numbers, verb: Act, intruder: Act, *, first: bool) -> tuple[Any, Any]:
    w = await furnished(harness, numbers.next())
    answer = None
    for act in (intruder, verb) if first else (verb, intruder):
        result = await outcome(act, w)
        answer = result if act is verb else answer
    return answer, await state(w)


def _gated_workspace(ports: Ports, w: Workspace) -> Workspace:
    return Workspace(ports, w.caller, 5.0)


MEETINGS = [
    # The fast suite lets each verb meet one intruder, the slow one all of them.
    pytest.param(name, k, id=f"{name}-{k}", marks=[pytest.mark.slow] if k else [])
    for name, case in CASES.items()
    for k in range(len(case.intruders))
]


@pytest.mark.parametrize(("name", "which"), MEETINGS)
async def test_its_outcome_is_that_of_some_serial_order(harness: Harness, name: str, which: int) -> None:
    case, numbers = CASES[name], Numbers()
    for intruder in case.intruders[which : which + 1]:
        orders = [await serial(harness, numbers, case.verb, intruder, first=first) for first in (True, False)]
        alone = await furnished(harness, numbers.next())
        await outcome(intruder, alone)
        only_theirs = await state(alone)
        for at in range(POSITIONS_MAX):
            w = await furnished(harness, numbers.next())
            gate = Gate(at, lambda w=w, intruder=intruder: outcome(intruder, w))  # type: ignore[misc]
            result = await outcome(case.verb, _gated_workspace(gated(harness.ports, gate), w))
            if not gate.opened:
                break
            holds = await state(w)
            if result in {"NotFound", "Conflict", "Invalid"} if isinstance(result, str) else False:
                assert holds == only_theirs, f"{name} was refused at {at} and left something behind"
                continue
            answers = [answer for answer, then in orders if then == holds]
            assert answers, f"{name} at {at}: the store is as after no serial order"
            assert not case.answers or result in answers, f"{name} at {at}: answered as in no serial order"
        else:
            raise AssertionError(f"{name} has no end")


def test_every_verb_has_a_case_or_a_reason() -> None:
    verbs = {name for name, method in python_api().items() if inspect.iscoroutinefunction(method)}
    assert verbs - CASES.keys() - OTHERWISE.keys() == set()
    assert not CASES.keys() - verbs
