"""Every verb with another caller's commit between any two of its awaits: the outcome is that of some serial order, or an
allowed refusal, and no acknowledged change is lost.

The verbs are enumerated from ``app``: one without a case here fails the last test.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

import recalld.app
from recalld.app.admin import AdminOperations
from recalld.app.default_locations import LocationOperations
from recalld.app.history import HistoryOperations
from recalld.app.packs import PackOperations
from recalld.app.privacy import PrivacyOperations
from recalld.app.sessions import SessionOperations
from recalld.app.skills import SkillOperations
from recalld.app.snapshots import SnapshotOperations
from recalld.app.stats import StatsOperations
from recalld.app.tags_index import IndexOperations
from recalld.app.usage import UsageOperations
from recalld.app.workspace import Workspace
from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.ports.bundle import Ports
from recalld.usecases.skill.queries import SkillView
from tests.harness import Harness
from tests.interleaving import Gate, gated

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
    lambda w: w.append("s", [{"role": "user", "content": "theirs"}]),
    lambda w: w.session_commit("s"),
    lambda w: w.session_delete("s"),
)
PRIVATE: tuple[Act, ...] = (
    lambda w: w.facade(PrivacyOperations).upsert("skill", "fern", {"n": 9}),
    lambda w: w.rm("viking://~/privacy/skill/fern", recursive=True),
)
SKILLS: tuple[Act, ...] = (
    lambda w: w.facade(SkillOperations).add(SKILL.replace("Water it", "Water it twice")),
    lambda w: w.facade(SkillOperations).remove("fern"),
)
MEMBERS: tuple[Act, ...] = (
    lambda w: w.facade(AdminOperations).set_account(w.caller.account, {"theirs": 1}),
    lambda w: w.facade(AdminOperations).set_member(w.caller.account, "ana", {"theirs": 1}),
)
PLACES: tuple[Act, ...] = (lambda w: w.facade(LocationOperations).choose({"skill_uri": "viking://agent/skills"}),)
SAVED: tuple[Act, ...] = (*TREE[:1], lambda w: w.facade(SnapshotOperations).commit("theirs"))


@dataclass(frozen=True)
class Case:
    """A verb and who intrudes. ``answers`` False: only what the store holds afterwards is compared, not the answer."""

    verb: Act
    intruders: tuple[Act, ...] = TREE
    answers: bool = True


def _verbs(kind: Any, name: str, *args: Any, **more: Any) -> Act:
    return lambda w: getattr(w.facade(kind), name)(*args, **more)


def _own(name: str, *args: Any, **more: Any) -> Act:
    return lambda w: getattr(w, name)(*args, **more)


def _account(name: str, *args: Any, **more: Any) -> Act:
    return lambda w: getattr(w.facade(AdminOperations), name)(w.caller.account, *args, **more)


async def _created(w: Workspace, uri: str) -> int:
    """The seq of the entry that made a file, whatever became of it; 0 if the log knows of none."""
    page = await w.facade(HistoryOperations).log(ops=["create"], limit=1_000)
    return next((e.seq for e in page.entries if e.uri == uri), 0)


async def _undo_creation(w: Workspace) -> Any:
    return await w.facade(HistoryOperations).undo(seq=await _created(w, OTHER))


async def _restore_first(w: Workspace) -> Any:
    return await w.facade(HistoryOperations).restore(DIR, str(await _created(w, OTHER)))


CASES: dict[str, Case] = {
    "Workspace.stat": Case(_own("stat", NOTE)),
    "Workspace.ls": Case(_own("ls", DIR)),
    "Workspace.tree": Case(_own("tree", DIR)),
    "Workspace.read": Case(_own("read", NOTE)),
    "Workspace.read_page": Case(_own("read_page", NOTE, chars_max=1_000)),
    "Workspace.read_bytes": Case(_own("read_bytes", NOTE)),
    "Workspace.abstract": Case(_own("abstract", DIR)),
    "Workspace.overview": Case(_own("overview", DIR)),
    "Workspace.write": Case(_own("write", NOTE, "mine\n", mode="append")),
    "Workspace.edit": Case(_own("edit", NOTE, "one\n", "one\nmine\n")),
    "Workspace.write_many": Case(
        lambda w: w.write_many(
            DIR, [w.operation(NOTE, b"mine\n", "append"), w.operation(OTHER, b"x", "upsert")], wait=False
        )
    ),
    "Workspace.mkdir": Case(_own("mkdir", f"{DIR}/new", description="mine")),
    "Workspace.rm": Case(_own("rm", NOTE)),
    "Workspace.mv": Case(_own("mv", NOTE, "viking://resources/moved.md")),
    "Workspace.cp": Case(_own("cp", NOTE, "viking://resources/copied.md")),
    "Workspace.grep": Case(_own("grep", DIR, "one|theirs"), TREE[:1]),
    "Workspace.glob": Case(_own("glob", "**/*.md", DIR), TREE[1:2]),
    "Workspace.count": Case(_own("count", DIR)),
    "Workspace.session_new": Case(_own("session_new", "fresh"), TALK),
    "Workspace.session": Case(_own("session", "s"), TALK),
    "Workspace.session_configure": Case(_own("session_configure", "s", {"a": 1}), TALK),
    "Workspace.sessions": Case(_own("sessions"), TALK),
    "Workspace.append": Case(_own("append", "s", [{"role": "user", "content": "mine"}]), TALK[:2], answers=False),
    "Workspace.session_commit": Case(_own("session_commit", "s"), TALK, answers=False),
    "Workspace.session_context": Case(_own("session_context", "s"), TALK),
    "Workspace.archives": Case(_own("archives", "s"), TALK),
    "Workspace.archive": Case(_own("archive", "s", "archive_001"), TALK),
    "Workspace.session_delete": Case(_own("session_delete", "s"), TALK[:2]),
    "Workspace.session_used": Case(_own("session_used", "s", skills=1), TALK),
    "Workspace.tasks": Case(_own("tasks"), TALK[1:2]),
    "AdminOperations.account": Case(_account("account"), MEMBERS),
    "AdminOperations.members": Case(_account("members", limit=10), MEMBERS),
    "AdminOperations.member": Case(_account("member", "ana"), MEMBERS),
    "AdminOperations.enrol": Case(
        _account("enrol", "ben", role="user", seed=None, settings={}), MEMBERS, answers=False
    ),
    "AdminOperations.remove_member": Case(_account("remove_member", "ana"), MEMBERS),
    "AdminOperations.set_account": Case(_account("set_account", {"mine": 1}), MEMBERS),
    "AdminOperations.set_member": Case(_account("set_member", "ana", {"mine": 1}), MEMBERS),
    "AdminOperations.renew_key": Case(_account("renew_key", "ana", seed=None), MEMBERS, answers=False),
    "HistoryOperations.log": Case(_verbs(HistoryOperations, "log"), answers=False),
    "HistoryOperations.versions": Case(_verbs(HistoryOperations, "versions", NOTE), answers=False),
    "HistoryOperations.read_at": Case(_verbs(HistoryOperations, "read_at", NOTE, "999999999")),
    "HistoryOperations.diff": Case(_verbs(HistoryOperations, "diff", NOTE, since="1", to="999999999"), answers=False),
    "HistoryOperations.restore": Case(_restore_first, TREE, answers=False),
    "HistoryOperations.undo": Case(_undo_creation, TREE, answers=False),
    "StatsOperations.memories": Case(_verbs(StatsOperations, "memories")),
    "StatsOperations.count": Case(_verbs(StatsOperations, "count", DIR)),
    "StatsOperations.vectors": Case(_verbs(StatsOperations, "vectors"), TREE[:1], answers=False),
    "LocationOperations.locations": Case(_verbs(LocationOperations, "locations"), PLACES),
    "LocationOperations.choose": Case(
        _verbs(LocationOperations, "choose", {"resource_uri": "viking://resources/in"}), PLACES
    ),
    "LocationOperations.reset": Case(_verbs(LocationOperations, "reset"), PLACES),
    "PackOperations.fetch": Case(_verbs(PackOperations, "fetch", NOTE), answers=False),
    "PrivacyOperations.categories": Case(_verbs(PrivacyOperations, "categories"), PRIVATE),
    "PrivacyOperations.targets": Case(_verbs(PrivacyOperations, "targets", "skill"), PRIVATE),
    "PrivacyOperations.config": Case(_verbs(PrivacyOperations, "config", "skill", "fern"), PRIVATE),
    "PrivacyOperations.versions": Case(_verbs(PrivacyOperations, "versions", "skill", "fern"), PRIVATE),
    "PrivacyOperations.version": Case(_verbs(PrivacyOperations, "version", "skill", "fern", 1), PRIVATE),
    "PrivacyOperations.upsert": Case(_verbs(PrivacyOperations, "upsert", "skill", "fern", {"n": 2}), PRIVATE),
    "PrivacyOperations.activate": Case(_verbs(PrivacyOperations, "activate", "skill", "fern", 1), PRIVATE),
    "PrivacyOperations.tree": Case(_verbs(PrivacyOperations, "tree"), PRIVATE),
    "PrivacyOperations.fields": Case(_verbs(PrivacyOperations, "fields", "skill", "fern"), PRIVATE),
    "PrivacyOperations.field": Case(_verbs(PrivacyOperations, "field", "skill", "fern", "n"), PRIVATE),
    "PrivacyOperations.resolve": Case(_verbs(PrivacyOperations, "resolve", "viking://~/privacy/skill/fern/n"), PRIVATE),
    "PrivacyOperations.remove_field": Case(_verbs(PrivacyOperations, "remove_field", "skill", "fern", "n"), PRIVATE),
    "PrivacyOperations.remove": Case(_verbs(PrivacyOperations, "remove", "skill", "fern"), PRIVATE),
    "SkillOperations.add": Case(_verbs(SkillOperations, "add", SKILL.replace("it.", "it now.")), SKILLS),
    "SkillOperations.show": Case(_verbs(SkillOperations, "show", "fern", SkillView()), SKILLS[1:]),
    "SkillOperations.remove": Case(_verbs(SkillOperations, "remove", "fern"), SKILLS[:1], answers=False),
    "SkillOperations.list": Case(_verbs(SkillOperations, "list"), SKILLS),
    "SnapshotOperations.commit": Case(_verbs(SnapshotOperations, "commit", "mine"), SAVED, answers=False),
    "SnapshotOperations.log": Case(_verbs(SnapshotOperations, "log"), SAVED, answers=False),
    "SnapshotOperations.ignore": Case(_verbs(SnapshotOperations, "ignore"), SAVED),
    "SnapshotOperations.set_ignore": Case(_verbs(SnapshotOperations, "set_ignore", "*.tmp"), SAVED),
    "SessionOperations.configure": Case(_verbs(SessionOperations, "configure", "s", {"a": 1}), TALK),
    "SessionOperations.extract": Case(_verbs(SessionOperations, "extract", "s"), TALK[:1], answers=False),
    "SessionOperations.tool_results": Case(_verbs(SessionOperations, "tool_results", "s"), TALK),
    "IndexOperations.attributes": Case(_verbs(IndexOperations, "attributes", NOTE)),
    "IndexOperations.set_tags": Case(
        _verbs(IndexOperations, "set_tags", DIR, ["a=1"], recursive=True), TREE[:2], answers=False
    ),
    "IndexOperations.consistency": Case(_verbs(IndexOperations, "consistency", DIR), TREE[1:2]),
    "IndexOperations.would_prune": Case(_verbs(IndexOperations, "would_prune", DIR), TREE[:1], answers=False),
    "IndexOperations.reindex": Case(_verbs(IndexOperations, "reindex", "viking://~"), TREE[:1], answers=False),
    "UsageOperations.costs": Case(_verbs(UsageOperations, "costs", 1), TREE[:1]),
}
OTHERWISE = {
    "Workspace.find": "reads the index through caches that follow the log; tests/usecases/find",
    "Workspace.search": "as find",
    "Workspace.assemble": "as find; what it writes is NoteRecall, one operation",
    "Workspace.task": "one read",
    "Workspace.cancel": "one operation of the writer; tests/usecases/maintenance/test_cancel.py",
    "Workspace.wait": "waits for others by its nature",
    "AdminOperations.make_account": "one operation, then the first member's folders",
    "AdminOperations.accounts": "one read of all accounts, those of other cases among them",
    "AdminOperations.remove_account": "as remove_member",
    "AdminOperations.set_role": "one operation of the writer",
    "StatsOperations.pieces": "one page of the index",
    "SkillOperations.store": "what add calls",
    "SkillOperations.packages": "does not touch the store",
    "SkillOperations.usable": "does not touch the store",
    "SkillOperations.of_answer": "reads what find gave",
    "SkillOperations.judge": "does not touch the store",
    "SessionOperations.tool_result": "one read of what never changes",
    "SessionOperations.search_tool_result": "one read of what never changes",
    **dict.fromkeys(
        (f"PackOperations.{name}" for name in ("export", "backup", "import_pack", "restore")),
        "many commits or reads by design; tests/usecases/pack/test_interrupted.py",
    ),
    **dict.fromkeys(
        (f"SnapshotOperations.{name}" for name in ("show", "show_file", "versions", "diff", "diff_paths")),
        "reads what never changes: places in the log",
    ),
    "SnapshotOperations.restore": "many commits by design, each on a condition; tests/usecases/snapshot",
    "HistoryOperations.seq_of": "one read",
    "HistoryOperations.purge": "what housekeeping does every hour, for another age",
    **dict.fromkeys(("ImportOperations.add", "Importing.add"), "tests/usecases/add"),
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
    await root.make_account(name, "ana", seed=None, settings={})
    w = Workspace(harness.ports, Caller(name, "ana", Role.ADMIN), 5.0)
    await w.write(NOTE, "one\n")
    await w.write(OTHER, "two\n")
    await w.append("s", [{"role": "user", "content": f"message {i}", "id": f"m{i}"} for i in range(3)])
    await w.facade(PrivacyOperations).upsert("skill", "fern", {"n": 1})
    await w.facade(SkillOperations).add(SKILL)
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
        await w.facade(SnapshotOperations).ignore(),
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


def verbs_of_app() -> set[str]:
    found = set()
    for module in pkgutil.iter_modules(recalld.app.__path__):
        loaded = importlib.import_module(f"recalld.app.{module.name}")
        for kind in vars(loaded).values():
            named = inspect.isclass(kind) and kind.__module__ == loaded.__name__
            if named and (
                kind is Workspace or (kind.__name__.endswith("Operations") and not kind.__name__.startswith("_"))
            ):
                found |= {
                    f"{kind.__name__}.{name}"
                    for name, call in vars(kind).items()
                    if inspect.iscoroutinefunction(call) and not name.startswith("_")
                }
    return found


def test_every_verb_has_a_case_or_a_reason() -> None:
    assert verbs_of_app() - CASES.keys() - OTHERWISE.keys() == set()
    assert not CASES.keys() - verbs_of_app()
