"""An account's ``.ovgitignore``: files that future snapshots leave out; existing snapshots stay."""

from __future__ import annotations

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, SetIgnore
from recalld.ports.bundle import Ports
from recalld.rules.ovgitignore import check_ignore
from recalld.rules.roles import check_governs


async def ignore_of(caller: Caller, ports: Ports) -> str:
    """Return the text, "" if there is none."""
    return await ports.history.past(caller).ignore()


async def set_ignore(text: str, caller: Caller, ports: Ports) -> None:
    """Set the text ("" = none). It applies to the snapshots of all users, so only admins may set it. Raises ``Denied``,
    and ``Invalid`` naming the unsupported line."""
    check_governs(caller, caller.account)
    checked = await ports.compute.run(check_ignore, text)
    await ports.ledger.tenant(caller).commit(Commit((SetIgnore(checked),), cause="snapshot"))
