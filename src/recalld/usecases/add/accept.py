"""Accepts an import: lists its files, rejects it as a whole or enqueues it durably, and returns at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.choice import Choice
from recalld.domain.commit import Commit, MakeDir, NewTask
from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.job import ImportPayload
from recalld.domain.node import Node
from recalld.domain.results import Added
from recalld.domain.uri import DEPTH_MAX, Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tenant, Tree
from recalld.ports.source import Found, Skipped
from recalld.rules.address import import_root
from recalld.rules.media import media_folder, suffix_of
from recalld.rules.names import legal, segment, stem
from recalld.rules.settings import ADD_TARGETS

from . import mirror
from .existing_files import ExistingFiles, lineage_of, lineages
from .run_import import NODES_MAX, digests

SKIPPED_SHOWN = 100
SUFFIXES_TRIED = 1_000
_DATED_DEPTH = 4
"""Year, month, day, and the entries below."""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Options of an import. ``origin``: a stable name of the source ("" = unknown). ``ours``: the upload is deleted
    when the import ends.

    Files of earlier imports of the origin that the source no longer has are removed, unless ``keep_removed``;
    ``left_out`` names files that exist at the source but were not sent, ``incomplete`` those its sender could not read.
    ``confirmed``: any number of removals is confirmed. ``as_file``: a single file becomes a file of its own name, not a
    directory with that file.
    """

    upload: Path
    choice: Choice
    to: str = ""
    parent: str = ""
    create_parent: bool = False
    strict: bool = False
    split: bool = True
    tags: tuple[str, ...] = ()
    tag_mode: str = "replace"
    origin: str = ""
    ours: bool = False
    keep_removed: bool = False
    confirmed: bool = False
    left_out: tuple[str, ...] = ()
    incomplete: str = ""
    as_file: bool = False


@dataclass(frozen=True, slots=True)
class _Listing:
    entries: list[Found | Skipped]
    single: bool

    @property
    def found(self) -> list[Found]:
        return [e for e in self.entries if isinstance(e, Found)]

    @property
    def skipped(self) -> list[Skipped]:
        return [e for e in self.entries if isinstance(e, Skipped)]


@dataclass(frozen=True, slots=True)
class _Spot:
    """A possible target. ``exact``: the file itself is there; ``shared``: other files may be there already, as
    requested; ``top``: the existing node."""

    root: Uri
    exact: bool = False
    shared: bool = False
    top: Node | None = None


async def accept(request: ImportRequest, caller: Caller, ports: Ports) -> Added:
    """Check the upload, choose its target and enqueue the job. Raises ``Invalid`` if nothing can be imported,
    ``Conflict`` for a removal that needs confirmation."""
    listing = await ports.compute.run(_look, request, ports)
    _check(request, listing)
    tenant = ports.ledger.tenant(caller)
    request = await _as_usual(request, listing.single, caller, ports)
    async for spot in _spots(request, listing.single, tenant, ports.clock.now()):
        await _check_removal(request, listing, spot, tenant, ports)
        task_id = f"task_{ports.clock.token()}"
        try:
            await tenant.commit(_promise(request, listing, spot, task_id, ports))
        except Conflict as taken:
            # Another import took the place between the check and the commit: try the next name.
            if spot.shared or taken.details.get("conflict_type") not in {"exists", "running"}:
                raise
            continue
        return Added(spot.root, task_id, tuple(f"skipped {s.path}: {s.why}" for s in listing.skipped[:SKIPPED_SHOWN]))
    raise Conflict(
        f"there are {SUFFIXES_TRIED} imports named {request.choice.name}",
        remedy="give a place with to",
        code="ALREADY_EXISTS",
    )


def _promise(request: ImportRequest, listing: _Listing, spot: _Spot, task_id: str, ports: Ports) -> Commit:
    payload = ImportPayload(
        upload=str(
            request.upload.relative_to(ports.uploads)
            if request.upload.is_relative_to(ports.uploads)
            else request.upload.absolute()
        ),
        root=str(spot.root),
        choice=request.choice,
        single=listing.single,
        split=request.split,
        ours=request.ours,
        tags=request.tags,
        tag_mode=request.tag_mode,
        exact=spot.exact,
        origin=request.origin,
        lineage=lineage_of(request.origin),
        keep_removed=request.keep_removed,
        confirmed=request.confirmed,
        left_out=request.left_out,
        incomplete=request.incomplete,
    )
    meta = {"files": len(listing.found), "skipped": len(listing.skipped)}
    if spot.exact:
        claim = MakeDir(spot.root.parent, exist_ok=True)
    else:
        claim = MakeDir(
            spot.root, exist_ok=spot.shared, source=_record(request, spot), same_origin=bool(request.origin)
        )
    return Commit(
        (claim, NewTask(task_id, "add_resource", str(spot.root), meta, alone=spot.exact and not spot.shared)),
        (payload.job(f"import:{spot.root}#{task_id}", task_id=task_id),),
        cause=task_id,
    )


def _record(request: ImportRequest, spot: _Spot) -> dict[str, Any]:
    """Return the record of a target's imports: the origin that created it, and the widest selection by origin."""
    if not request.origin:
        return {}
    there = spot.top.source if spot.top is not None else {}
    choices = dict(there.get("choices") or {})
    lineage = lineage_of(request.origin)
    choices[lineage] = mirror.widest(request.choice, _earlier(there, request.origin))
    return {**there, "origin": there.get("origin") or request.origin, "choices": choices}


def _earlier(there: dict[str, Any], origin: str) -> dict[str, Any] | None:
    """Return the widest selection of earlier imports of an origin; None if there was none."""
    found: dict[str, Any] | None = (there.get("choices") or {}).get(lineage_of(origin))
    return {} if found is None and there.get("origin") == origin else found


def _look(request: ImportRequest, ports: Ports) -> _Listing:
    source = ports.open_source(request.upload, request.choice)
    try:
        entries = list(source.entries())
    finally:
        source.close()
    first = next((e for e in entries if isinstance(e, Found)), None)
    single = len(entries) == 1 and request.upload.is_file() and first is not None and first.path == request.choice.name
    return _Listing(entries, single)


def _check(request: ImportRequest, listing: _Listing) -> None:
    skipped = listing.skipped
    if not listing.found:
        why = "; ".join(f"{s.path}: {s.why}" for s in skipped[:5]) or "it is empty"
        raise Invalid(
            f"nothing to import in {request.choice.name}: {why}",
            remedy="give a folder, a file or a zip of documents; include adds files that are skipped by default",
        )
    if request.strict and skipped:
        raise Invalid(
            f"{len(skipped)} files would be left out, the first: {skipped[0].path} ({skipped[0].why})",
            remedy="exclude them, or import without strict",
            details={"skipped": [asdict(s) for s in skipped[:SKIPPED_SHOWN]]},
        )


async def _check_removal(request: ImportRequest, listing: _Listing, spot: _Spot, tree: Tree, ports: Ports) -> None:
    """Require confirmation for a large removal. Raises ``Conflict``; the job checks again what exists then."""
    if not request.origin or request.confirmed or spot.exact or spot.top is None:
        return
    choice = mirror.narrower(request.choice, _earlier(spot.top.source, request.origin))
    single, keep, incomplete = listing.single, request.keep_removed, request.incomplete
    if mirror.why_kept(listing.entries, single=single, keep=keep, narrow=choice, incomplete=incomplete):
        return
    there = await tree.walk(spot.root, depth_max=DEPTH_MAX, nodes_max=NODES_MAX, hidden=True)
    legacy = spot.top.source.get("origin") == request.origin

    def going() -> tuple[list[str], int]:
        existing = ExistingFiles.of(there, spot.root, lineage_of(request.origin), legacy=legacy)
        gone = mirror.missing(existing, listing.entries, request.left_out)
        if not mirror.too_many(len(gone), len(existing.files)):
            return [], 0
        source = ports.open_source(request.upload, request.choice)
        try:
            new = digests((e.path for e in listing.found if e.path not in existing.files), source)
        finally:
            source.close()
        moved = {former for former, _ in mirror.moved(existing, gone, new)}
        return list(mirror.removal(existing, [p for p in gone if p not in moved]).paths), len(existing.files)

    gone, brought = await ports.compute.run(going)
    if mirror.too_many(len(gone), brought):
        raise Conflict(
            f"{len(gone)} of the {brought} files that {spot.root} has from there are gone at the source and would be "
            f"removed: {', '.join(gone[:5])}, ...",
            remedy="confirm it (`confirm_removals`), or keep them (`keep_removed`)",
            code="FAILED_PRECONDITION",
            details={
                "conflict_type": "removal",
                "would_remove": len(gone),
                "files": brought,
                "first": gone[:20],
                "root_uri": str(spot.root),
            },
        )


async def _as_usual(request: ImportRequest, single: bool, caller: Caller, ports: Ports) -> ImportRequest:
    """Apply the default target: the one the user has chosen for imports, else the directory by kind and day for a
    single image, audio or video file."""
    if request.to or request.parent:
        return request
    member = await ports.registry.member(caller.account, caller.user)
    chosen = (member.settings.get(ADD_TARGETS) or {}).get("resource_uri") if member is not None else None
    if not chosen and single and (kind := media_folder(request.choice.name)):
        chosen = await _day_of(request, Uri(("resources", kind)), ports.ledger.tenant(caller))
    return replace(request, parent=chosen, create_parent=True) if chosen else request


async def _day_of(request: ImportRequest, media_folder: Uri, tree: Tree) -> str:
    """Return today's path below a media directory, or the day of an earlier import of the same origin."""
    today = f"{media_folder}/{{calendar:today}}"
    if not request.origin:
        return today
    try:
        there = await tree.walk(media_folder, depth_max=_DATED_DEPTH, nodes_max=NODES_MAX)
    except NotFound:
        return today
    same = (
        e.node
        for e in there
        if e.rel_path.count("/") == _DATED_DEPTH - 1
        and (e.node.source.get("origin") == request.origin if e.node.is_dir else _same_origin(e.node, request.origin))
    )
    found = next(same, None)
    return str(found.uri.parent) if found is not None else today


async def _spots(request: ImportRequest, single: bool, tenant: Tenant, now: float) -> AsyncIterator[_Spot]:
    """Yield possible targets, best first. ``to`` is the target itself (a content root: the parent). Otherwise it is
    below ``parent``, under a name that no other import has: the same ``origin`` gets its earlier target, others get
    ``_1``, ``_2`` ..."""
    if request.to and request.parent:
        raise Invalid("both to and parent are given", remedy="give one of them", details={"field": "parent"})
    name = segment(stem(request.choice.name) if single or request.choice.name.endswith(".zip") else request.choice.name)
    if request.to:
        parent = import_root(request.to, tenant.caller, now, "to")
        if parent.name != "resources":
            yield await _named_place(parent, request, single, tenant)
            return
    else:
        parent = import_root(request.parent or "viking://resources", tenant.caller, now, "parent")
        if parent.name != "resources" and not request.create_parent and not (await tenant.stat(parent)).is_dir:
            raise Conflict(f"{parent} is a file", remedy="name a directory", code="FAILED_PRECONDITION")
    as_file = single and request.as_file
    async for spot in _free(parent, legal(request.choice.name) if as_file else name, request.origin, as_file, tenant):
        yield spot


async def _named_place(to: Uri, request: ImportRequest, single: bool, tree: Tree) -> _Spot:
    """Return the target named by the caller; for a single file the file itself if ``to`` has its suffix."""
    ending = suffix_of(request.choice.name)
    exact = single and (request.as_file or bool(ending and suffix_of(to.name) == ending))
    there = await _there(to, tree)
    if there is None or there.is_dir:
        return _Spot(to, exact=exact and there is None, shared=True, top=there)
    if exact and there.source.get("path") and _same_origin(there, request.origin):
        return _Spot(to, exact=True, shared=True, top=there)
    raise Conflict(f"{to} is a file", remedy="choose another place, or delete it first", code="ALREADY_EXISTS")


def _same_origin(there: Node, origin: str) -> bool:
    return lineage_of(origin) in lineages(there.source) if origin else not lineages(there.source)


async def _free(parent: Uri, name: str, origin: str, as_file: bool, tree: Tree) -> AsyncIterator[_Spot]:
    before, dot, ending = name.rpartition(".") if as_file and "." in name.strip(".") else (name, "", "")
    for count in range(SUFFIXES_TRIED):
        uri = parent / (f"{before}_{count}{dot}{ending}" if count else name)
        there = await _there(uri, tree)
        if there is None:
            yield _Spot(uri, exact=as_file)
        elif as_file and not there.is_dir and origin and _same_origin(there, origin):
            yield _Spot(uri, exact=True, shared=True, top=there)
        elif not as_file and there.is_dir and origin and there.source.get("origin") == origin:
            yield _Spot(uri, top=there)


async def _there(uri: Uri, tree: Tree) -> Node | None:
    try:
        return await tree.stat(uri)
    except NotFound:
        return None
