"""Accept an import: look at all of it, refuse it whole or promise it durably, and answer at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, MakeDir, NewTask
from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.job import Lane, NewJob
from recalld.domain.report import Added
from recalld.domain.uri import Uri
from recalld.ports.doors import Doors
from recalld.ports.ledger import Tenant
from recalld.ports.source import Choice, Found, Skipped
from recalld.rules.address import import_root
from recalld.rules.names import segment, stem
from recalld.rules.settings import ADD_TARGETS

SKIPPED_SHOWN = 100
SUFFIXES_TRIED = 1_000


@dataclass(frozen=True, slots=True)
class Wish:
    """An import as its caller asks for it. ``origin``: the same words at the next import of the same thing ("" = unknown).
    ``ours``: the upload is deleted when the import has ended."""

    upload: Path
    choice: Choice
    to: str = ""
    parent: str = ""
    create_parent: bool = False
    strict: bool = False
    split: bool = True
    tags: tuple[str, ...] = ()
    origin: str = ""
    ours: bool = False


async def accept(wish: Wish, caller: Caller, doors: Doors) -> Added:
    """Check the upload, choose its place and leave the job. Raises ``Invalid`` for what holds nothing to import."""
    found, skipped, single = await doors.compute.run(_look, wish, doors)
    if not found:
        why = "; ".join(f"{s.path}: {s.why}" for s in skipped[:5]) or "it is empty"
        raise Invalid(
            f"nothing to import in {wish.choice.name}: {why}", remedy="give a folder, a file or a zip of documents"
        )
    if wish.strict and skipped:
        raise Invalid(
            f"{len(skipped)} files would be left out, the first: {skipped[0].path} ({skipped[0].why})",
            remedy="exclude them, or import without strict",
            details={"skipped": [asdict(s) for s in skipped[:SKIPPED_SHOWN]]},
        )
    tenant = doors.ledger.tenant(caller)
    root = await _place(await _as_usual(wish, caller, doors), single, tenant, doors.clock.now())
    task_id = f"task_{doors.clock.token()}"
    payload = {
        "upload": _named(wish.upload, doors.uploads),
        "root": str(root),
        "choice": asdict(wish.choice),
        "single": single,
        "split": wish.split,
        "tags": list(wish.tags),
        "ours": wish.ours,
        "total": len(found),
    }
    meta = {"files": len(found), "skipped": len(skipped)}
    commit = Commit(
        (
            MakeDir(root, exist_ok=True, source={"origin": wish.origin} if wish.origin else {}),
            NewTask(task_id, "add_resource", str(root), meta),
        ),
        (NewJob("import", f"import:{root}#{task_id}", payload, lane=Lane.BULK, task_id=task_id),),
        cause=task_id,
    )
    await tenant.commit(commit)
    return Added(root, task_id, tuple(f"skipped {s.path}: {s.why}" for s in skipped[:SKIPPED_SHOWN]))


def _named(upload: Path, uploads: Path) -> str:
    """How a job names an upload: one of ours by what stands below the folder of uploads, any other by its whole path."""
    return str(upload.relative_to(uploads) if upload.is_relative_to(uploads) else upload.absolute())


def _look(wish: Wish, doors: Doors) -> tuple[list[Found], list[Skipped], bool]:
    source = doors.open_source(wish.upload, wish.choice)
    try:
        entries = list(source.entries())
    finally:
        source.close()
    found = [e for e in entries if isinstance(e, Found)]
    single = len(entries) == 1 and wish.upload.is_file() and bool(found) and found[0].path == wish.choice.name
    return found, [e for e in entries if isinstance(e, Skipped)], single


async def _as_usual(wish: Wish, caller: Caller, doors: Doors) -> Wish:
    """Where nothing is said of the place: the one its user has chosen for imports."""
    if wish.to or wish.parent:
        return wish
    member = await doors.registry.member(caller.account, caller.user)
    chosen = (member.settings.get(ADD_TARGETS) or {}).get("resource_uri") if member is not None else None
    return replace(wish, parent=chosen, create_parent=True) if chosen else wish


async def _place(wish: Wish, single: bool, tenant: Tenant, now: float) -> Uri:
    """``to`` is the place itself (a content root: the parent); else below ``parent``, under a name nobody else's import
    has: the same ``origin`` comes back to its place, anything else gets ``_1``, ``_2`` ..."""
    if wish.to and wish.parent:
        raise Invalid("both to and parent are given", remedy="give one of them", details={"field": "parent"})
    name = segment(stem(wish.choice.name) if single or wish.choice.name.endswith(".zip") else wish.choice.name)
    if wish.to:
        to = import_root(wish.to, tenant.caller, now, "to")
        if to.name != "resources":
            await _must_be_free_of_files(to, tenant)
            return to
        return await _unique(to, name, wish.origin, tenant)
    parent = import_root(wish.parent or "viking://resources", tenant.caller, now, "parent")
    if parent.name != "resources" and not wish.create_parent and not (await tenant.stat(parent)).is_dir:
        raise Conflict(f"{parent} is a file", remedy="name a directory", code="FAILED_PRECONDITION")
    return await _unique(parent, name, wish.origin, tenant)


async def _must_be_free_of_files(uri: Uri, tenant: Tenant) -> None:
    try:
        node = await tenant.stat(uri)
    except NotFound:
        return
    if not node.is_dir:
        raise Conflict(f"{uri} is a file", remedy="choose another place, or delete it first", code="ALREADY_EXISTS")


async def _unique(parent: Uri, name: str, origin: str, tenant: Tenant) -> Uri:
    for count in range(SUFFIXES_TRIED):
        uri = parent / (f"{name}_{count}" if count else name)
        try:
            there = await tenant.stat(uri)
        except NotFound:
            return uri
        if there.is_dir and origin and there.source.get("origin") == origin:
            return uri
    raise Conflict(
        f"{parent} holds {SUFFIXES_TRIED} imports named {name}", remedy="give a place with to", code="ALREADY_EXISTS"
    )
