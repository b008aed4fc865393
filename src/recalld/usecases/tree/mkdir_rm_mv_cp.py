"""Create, remove, move and copy: one commit each."""

from __future__ import annotations

from dataclasses import replace

from recalld.domain.caller import Caller
from recalld.domain.commit import COUNTED_MAX, Commit, Copy, MakeDir, Move, Receipt, Remove
from recalld.domain.errors import Denied
from recalld.domain.node import Node
from recalld.domain.policy import ABSTRACT_CHARS_MAX
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.address import check_move, check_new_folder, check_remove, check_write, is_message, session_of
from recalld.rules.tool_outputs import FOLDER

from .outputs import outputs_of
from .prepare import FOLLOW_UP_JOBS


async def mkdir(uri: Uri, description: str, caller: Caller, ports: Ports) -> Node:
    """Create a directory; ``description`` becomes its abstract. Raises ``Conflict`` if the address exists."""
    check_new_folder(uri)
    op = MakeDir(uri, abstract=description.strip()[:ABSTRACT_CHARS_MAX].strip())
    receipt = await ports.ledger.tenant(caller).commit(Commit((op,), FOLLOW_UP_JOBS))
    return receipt.nodes[0]


async def remove(uri: Uri, recursive: bool, caller: Caller, ports: Ports) -> Receipt:
    """Tombstone a subtree. In a session only whole sessions, single messages (with their tool outputs) and single tool
    outputs can be removed. A missing node is not an error."""
    check_remove(uri)
    tenant = ports.ledger.tenant(caller)
    output = len(uri.parts) == 6 and uri.parts[4] == FOLDER
    if session_of(uri) and len(uri.parts) > 4 and not (is_message(uri) or output):
        raise Denied(f"{uri} is a view of its session", remedy="delete the session, or single messages of it")
    outputs = await outputs_of(uri, tenant) if is_message(uri) else []
    removals = (Remove(uri, recursive), *(Remove(beside, recursive=True) for beside in outputs))
    # The writer counts up to a limit, so that a large subtree does not block it.
    size = await tenant.size(uri) if recursive else 0
    receipt = await tenant.commit(Commit(removals, FOLLOW_UP_JOBS))
    return replace(receipt, removed=max(receipt.removed, size)) if receipt.removed >= COUNTED_MAX else receipt


async def move(source: Uri, to: Uri, caller: Caller, ports: Ports) -> Receipt:
    """Rename or move a subtree."""
    check_move(source, to)
    return await ports.ledger.tenant(caller).commit(Commit((Move(source, to),), FOLLOW_UP_JOBS))


async def copy(source: Uri, to: Uri, recursive: bool, caller: Caller, ports: Ports) -> Receipt:
    """Copy a file, or a directory if ``recursive``."""
    check_write(to)
    if session_of(source):
        raise Denied("what belongs to a session cannot be copied as a tree", remedy="read it and write a file")
    return await ports.ledger.tenant(caller).commit(Commit((Copy(source, to, recursive),), FOLLOW_UP_JOBS))
