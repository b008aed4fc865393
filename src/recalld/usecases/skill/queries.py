"""Reads skills: lists them, shows one, maps search hits to skills."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.domain.errors import Invalid, NotFound
from recalld.domain.node import Entry, Node
from recalld.domain.query import Hit
from recalld.domain.skill import SKILL_FILE, Skill, SkillDetails, SkillFacts, SkillHit
from recalld.domain.uri import DEPTH_MAX, Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import ReadTransaction, Tree
from recalld.rules.encoding import decode
from recalld.rules.skill import read_skill
from recalld.rules.skill_form import facts_from, revision_of
from recalld.usecases.tree.prepare import text_of

from .parse import ENTRIES_MAX, FILE_BYTES_MAX, TOTAL_BYTES_MAX
from .store import missing_skill

FILES_SHOWN = 1_000
NODES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class SkillView:
    """The requested parts of a skill. ``level`` 0: its abstract, 1: its overview too, 2 (and None): its text too,
    unless ``content`` overrides it; ``integrity``: hashes, refused past the size limits."""

    level: int | None = None
    content: bool | None = None
    files: bool = True
    integrity: bool = False
    source: bool = False


async def list_skills(root: Uri, limit: int, caller: Caller, ports: Ports) -> list[Skill]:
    """Return the skills of a directory by name, at most ``limit``; [] if it does not exist."""
    tenant = ports.ledger.tenant(caller)
    try:
        entries = await tenant.walk(root, depth_max=2, nodes_max=NODES_MAX)
    except NotFound:
        return []
    files = [e.node for e in entries if e.rel_path.count("/") == 1 and e.node.uri.name == SKILL_FILE]
    return [await _skill(node, tenant, ports) for node in files[:limit] if not node.is_dir]


async def find_skill(roots: Sequence[Uri], name: str, caller: Caller, ports: Ports) -> Skill:
    """Return the skill of this name in the first directory that has it. Raises ``NotFound``."""
    tenant = ports.ledger.tenant(caller)
    for root in roots:
        node = await _skill_file(root / name, tenant)
        if node is not None:
            return await _skill(node, tenant, ports)
    raise missing_skill(name)


async def show_skill(skill: Skill, view: SkillView, caller: Caller, ports: Ports) -> SkillDetails:
    """Return the requested parts of a skill. Raises ``NotFound``; ``Invalid`` (``RESOURCE_EXHAUSTED``) if it is too
    large for integrity."""
    tenant = ports.ledger.tenant(caller)
    most = ENTRIES_MAX + 1 if view.integrity else FILES_SHOWN if view.files else 0

    def look(reader: ReadTransaction) -> tuple[Node, Tiers | None, list[Entry]]:
        entries = reader.walk(skill.uri, depth_max=DEPTH_MAX, nodes_max=most, hidden=True) if most else []
        return reader.stat(skill.uri / SKILL_FILE), reader.tiers(skill.uri), entries

    node, tiers, entries = await tenant.read_transaction(look)
    nodes = tuple(e.node for e in entries)
    if view.integrity:
        sizes = [n.size for n in nodes if not n.is_dir]
        if len(nodes) > ENTRIES_MAX or max(sizes, default=0) > FILE_BYTES_MAX or sum(sizes) > TOTAL_BYTES_MAX:
            raise Invalid(
                "the skill is too large to be described in full",
                remedy=f"at most {ENTRIES_MAX} entries, {FILE_BYTES_MAX} bytes a file and {TOTAL_BYTES_MAX} in all; "
                "ask without include_integrity",
                code="RESOURCE_EXHAUSTED",
            )
    wanted = view.content if view.content is not None else view.level in (None, 2)
    data = await tenant.read(node.uri) if wanted else b""
    return SkillDetails(
        skill,
        abstract=tiers.abstract if tiers is not None else "",
        overview=tiers.overview if tiers is not None and view.level != 0 else "",
        content=text_of(data, node.uri) if wanted else None,
        # Computed from the shown bytes, which may be newer than the node.
        content_sha256=hashlib.sha256(data).hexdigest() if wanted else node.hash,
        files=nodes if view.files else None,
        revision=revision_of(skill.uri, nodes) if view.integrity else "",
        source=_origin(node) if view.source else {},
    )


async def skills_of_hits(
    hits: Sequence[Hit], roots: Sequence[Uri], limit: int, caller: Caller, ports: Ports
) -> list[SkillHit]:
    """Return each skill once, with its best hit."""
    tenant = ports.ledger.tenant(caller)
    found: dict[Uri, SkillHit] = {}
    for hit in hits:
        root = next((r for r in roots if hit.uri.under(r) and len(hit.uri.parts) > len(r.parts) + 1), None)
        if root is None or len(found) == limit:
            continue
        uri = Uri(hit.uri.parts[: len(root.parts) + 1])
        node = None if uri in found else await _skill_file(uri, tenant)
        if node is not None:
            found[uri] = SkillHit(await _skill(node, tenant, ports), hit.score, hit.uri, hit.level, hit.abstract)
    return list(found.values())


async def _skill_file(uri: Uri, tree: Tree) -> Node | None:
    try:
        node = await tree.stat(uri / SKILL_FILE)
    except NotFound:
        return None
    return None if node.is_dir else node


async def _skill(node: Node, tree: Tree, ports: Ports) -> Skill:
    """Return a skill with its stored facts, or facts parsed from its text (hand-written or restored); an invalid one
    has only its name."""
    facts = facts_from(node.source.get("skill"))
    if facts is None:
        facts, _ = await ports.compute.run(read_skill, decode(await tree.read(node.uri)).text)
    return Skill(node.uri.parent, facts if facts is not None else SkillFacts(node.uri.parent.name, ""))


def _origin(node: Node) -> dict[str, Any]:
    origin = node.source.get("origin")
    return dict(origin) if isinstance(origin, dict) else {}
