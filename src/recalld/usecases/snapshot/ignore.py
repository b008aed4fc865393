"""An account's ``.ovgitignore``: what its snapshots leave out from now on; the ones there are stay as they are."""

from __future__ import annotations

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, SetIgnore
from recalld.ports.bundle import Ports
from recalld.rules.ovgitignore import check_ignore
from recalld.rules.roles import check_governs


async def ignore_of(caller: Caller, ports: Ports) -> str:
    """The text, "" if there is none."""
    return await ports.history.past(caller).ignore()


async def set_ignore(text: str, caller: Caller, ports: Ports) -> None:
    """Set it ("" = none): it holds for everybody's snapshots, so that it is for admins. Raises ``Denied``, and ``Invalid`` naming
    the line that cannot be understood."""
    check_governs(caller, caller.account)
    checked = await ports.compute.run(check_ignore, text)
    await ports.ledger.tenant(caller).commit(Commit((SetIgnore(checked),), cause="snapshot"))
