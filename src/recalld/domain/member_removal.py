"""Operations that remove a member or a whole account."""

from __future__ import annotations

from .commit_op import CommitOp


class MarkLeaving(CommitOp, frozen=True):
    """Block a member until ``task`` has removed it (``user`` "": the whole account, which then accepts no new members).
    The caller must administer the account, and only root removes its last admin. ``NotFound``; ``Conflict`` for the
    last admin, and while another removal is running."""

    account: str
    user: str
    task: str


class DropMember(CommitOp, frozen=True):
    """Delete a member that is marked as leaving, with its tasks and waiting jobs (``user`` "": the account with all
    members). ``Remove`` deletes their trees. A missing member is not an error."""

    account: str
    user: str


class ForgetEntries(CommitOp, frozen=True):
    """Erase names, tags and sources from a leaving member's log entries ``first`` to ``last``; their structure
    stays."""

    account: str
    user: str
    first: int
    last: int


class DropWork(CommitOp, frozen=True):
    """Remove waiting jobs of a member that is marked as leaving (``user`` "": of the account) and cancel its tasks.
    These are jobs that were running at that time and were rescheduled since, for example because a budget was used
    up."""

    account: str
    user: str
