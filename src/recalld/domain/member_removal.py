"""Operations of a commit that remove a member, or a whole account."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MarkLeaving:
    """Shut a member out until ``task`` has removed it (``user`` "": the whole account, which takes no new members then).
    The caller must govern the account, and only root removes its last admin. ``NotFound``; ``Conflict`` for the last admin,
    and while another task that has not ended does it already."""

    account: str
    user: str
    task: str


@dataclass(frozen=True, slots=True)
class DropMember:
    """Forget a member that is marked as leaving, with its tasks and waiting jobs (``user`` "": the account with all of
    its members). Their trees are the business of ``Remove``. Nothing there to forget is no error."""

    account: str
    user: str


@dataclass(frozen=True, slots=True)
class ForgetEntries:
    """Take names, tags and origins out of a leaving member's log entries ``first`` to ``last``; their shape stays."""

    account: str
    user: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class DropWork:
    """Take out of the queue what waits of a member that is marked as leaving (``user`` "": of the account), and cancel its
    tasks: work that was under way then and was put off since, for a day where a budget is used up."""

    account: str
    user: str
