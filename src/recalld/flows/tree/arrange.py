"""Make, remove, move and copy: one commit each."""

from __future__ import annotations

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Copy, MakeDir, Move, Receipt, Remove
from recalld.domain.errors import Denied
from recalld.domain.node import Node
from recalld.domain.policy import ABSTRACT_CHARS_MAX
from recalld.domain.uri import Uri
from recalld.ports.doors import Doors
from recalld.rules.address import check_move, check_new_folder, check_remove, check_write, is_message, session_of
from recalld.rules.sidecar import pin

from .write import FOLLOWING


async def mkdir(uri: Uri, description: str, caller: Caller, doors: Doors) -> Node:
    """Make a directory; ``description`` becomes its abstract. Raises ``Conflict`` if something is there."""
    check_new_folder(uri)
    tiers = pin(0, description.strip()[:ABSTRACT_CHARS_MAX], None) if description.strip() else None
    tenant = doors.ledger.tenant(caller)
    await tenant.commit(Commit((MakeDir(uri, tiers=tiers),), FOLLOWING))
    return await tenant.stat(uri)


async def remove(uri: Uri, recursive: bool, caller: Caller, doors: Doors) -> Receipt:
    """Tombstone a subtree. Of a session only whole sessions and single messages can go. Missing is no error."""
    check_remove(uri)
    if session_of(uri) and len(uri.parts) > 4 and not is_message(uri):
        raise Denied(f"{uri} is a view of its session", remedy="delete the session, or single messages of it")
    return await doors.ledger.tenant(caller).commit(Commit((Remove(uri, recursive),), FOLLOWING))


async def move(source: Uri, to: Uri, caller: Caller, doors: Doors) -> Receipt:
    """Rename or re-parent a subtree."""
    check_move(source, to)
    return await doors.ledger.tenant(caller).commit(Commit((Move(source, to),), FOLLOWING))


async def copy(source: Uri, to: Uri, recursive: bool, caller: Caller, doors: Doors) -> Receipt:
    """Copy a file, or a directory if ``recursive``."""
    check_write(to)
    if session_of(source):
        raise Denied("what belongs to a session cannot be copied as a tree", remedy="read it and write a file")
    return await doors.ledger.tenant(caller).commit(Commit((Copy(source, to, recursive),), FOLLOWING))
