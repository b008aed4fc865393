"""Operations that remove a member or a whole account."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MarkLeaving:
    """Block a member until ``task`` has removed it (``user`` "": the whole account, which then accepts no new members).
    The caller must administer the account, and only root removes its last admin. ``NotFound``; ``Conflict`` for the
    last admin, and while another removal is running."""

    account: str
    user: str
    task: str


@dataclass(frozen=True, slots=True)
class DropMember:
    """Delete a member that is marked as leaving, with its tasks and waiting jobs (``user`` "": the account with all
    members). ``Remove`` deletes their trees. A missing member is not an error."""

    account: str
    user: str


@dataclass(frozen=True, slots=True)
class ForgetEntries:
    """Erase names, tags and sources from a leaving member's log entries ``first`` to ``last``; their structure
    stays."""

    account: str
    user: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class DropWork:
    """Remove waiting jobs of a member that is marked as leaving (``user`` "": of the account) and cancel its tasks.
    These are jobs that were running at that time and were rescheduled since, for example because a budget was used
    up."""

    account: str
    user: str
