"""The operations of one caller: what every surface calls."""

from __future__ import annotations

from recalld.domain.job import QueueCount

from .admin import AdminOperations
from .history import HistoryOperations, SnapshotOperations
from .importing import ImportOperations, PackOperations
from .operations import wait_until_idle
from .privacy import PrivacyOperations
from .recall import RecallOperations
from .sessions import SessionOperations
from .skills import LocationOperations, SkillOperations
from .stats import IndexOperations, StatsOperations
from .tasks import TaskOperations
from .tree import TreeOperations


class Workspace(TreeOperations, RecallOperations, ImportOperations):
    """Everything one caller can do.

    Its own methods read, write and search the tree. The others are grouped: ``workspace.sessions.append(...)``.
    An address is a text: ``viking://...``, or ``~`` for the caller's own tree. Errors are those of ``recalld.domain.errors``.
    """

    async def wait(self, *, timeout_s: float | None = None, task_id: str = "") -> list[QueueCount]:
        """Wait until no background work of this caller, or of one task, is left. Returns the queues.

        Raises ``Upstream`` (``DEADLINE_EXCEEDED``) after ``timeout_s``; the work continues.
        """
        await wait_until_idle(self._ports, self.caller, timeout_s=timeout_s, task_id=task_id)
        return await self._ports.stats.queues()

    @property
    def sessions(self) -> SessionOperations:
        """Conversations and the memories extracted from them."""
        return SessionOperations(self._ports, self.caller)

    @property
    def tasks(self) -> TaskOperations:
        """Background work."""
        return TaskOperations(self._ports, self.caller)

    @property
    def history(self) -> HistoryOperations:
        """The log of changes, earlier versions, and undo."""
        return HistoryOperations(self._ports, self.caller)

    @property
    def snapshots(self) -> SnapshotOperations:
        """Snapshots of the account's tree."""
        return SnapshotOperations(self._ports, self.caller)

    @property
    def packs(self) -> PackOperations:
        """Export, import, backup and restore."""
        return PackOperations(self._ports, self.caller)

    @property
    def skills(self) -> SkillOperations:
        """Skills of the caller and of the account's agents."""
        return SkillOperations(self._ports, self.caller)

    @property
    def privacy(self) -> PrivacyOperations:
        """Private values that skills refer to."""
        return PrivacyOperations(self._ports, self.caller)

    @property
    def locations(self) -> LocationOperations:
        """Where imports and skills go by default."""
        return LocationOperations(self._ports, self.caller)

    @property
    def index(self) -> IndexOperations:
        """Tags, reindexing, and the consistency of the index."""
        return IndexOperations(self._ports, self.caller)

    @property
    def stats(self) -> StatsOperations:
        """Figures: memories, chunks, and the usage of providers."""
        return StatsOperations(self._ports, self.caller)

    @property
    def admin(self) -> AdminOperations:
        """Accounts, users and keys."""
        return AdminOperations(self._ports, self.caller)
