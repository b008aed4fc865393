"""An open data folder: its ports, its worker, its housekeeping."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from recalld.domain.caller import Caller
from recalld.domain.job import QueueCount
from recalld.domain.results import Readiness
from recalld.infra.tasks import background
from recalld.infra.watchdog import Watchdog
from recalld.ports.bundle import PrimaryPorts
from recalld.ports.maintenance import Usage
from recalld.ports.registry import Members

from .build import open_ports
from .config import Config, load_config
from .housekeeping import HealthSnapshot, Housekeeping
from .store_maintenance import check
from .supervisor import Supervisor
from .worker_loop import work
from .workspace import Workspace

WorkerPlace = Literal["inside", "beside", "none"]


class Engine(Workspace):
    """An open data folder. Its own methods act as its default caller; ``as_caller`` binds another."""

    def __init__(self, ports: PrimaryPorts, config: Config, caller: Caller, housekeeping: Housekeeping) -> None:
        super().__init__(ports, caller, config.server.search_timeout_s)
        self.config = config
        self._housekeeping = housekeeping

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        data: Path | str | None = None,
        *,
        config: Config | None = None,
        worker: WorkerPlace = "inside",
        caller: Caller | None = None,
        **settings: Any,
    ) -> AsyncIterator[Engine]:
        """Open a data folder, or create it.

        ``data`` defaults to ``~/.recalld``. ``worker``: where background work runs: ``inside`` (a task of this event loop),
        ``beside`` (a supervised process) or ``none``. ``settings`` are configuration keys (``embedder={"provider": "none"}``);
        ``config`` is a complete configuration instead. ``caller`` defaults to the user ``default`` of the account ``default``.

        Raises ``Conflict`` if another process has the folder open, ``Invalid`` for the settings, and ``Corrupt`` for a damaged
        store.
        """
        chosen = (
            config
            if config is not None
            else load_config(None, data=Path(data) if data is not None else None, **settings)
        )
        async with AsyncExitStack() as stack:
            ports = await stack.enter_async_context(open_ports(chosen))
            watchdog = Watchdog()
            watchdog.start()
            stack.callback(watchdog.stop)
            housekeeping = Housekeeping(ports, chosen, watchdog)
            await stack.enter_async_context(background("housekeeping", housekeeping.keep))
            if worker == "inside":
                await stack.enter_async_context(
                    background(
                        "worker",
                        lambda: work(
                            ports,
                            name="inside",
                            lease_s=chosen.worker.lease_timeout_s,
                            waiting_max=chosen.worker.concurrent_model_calls_max,
                        ),
                    )
                )
            elif worker == "beside":
                supervisor = Supervisor(chosen, ports)
                housekeeping.watch(supervisor)
                await stack.enter_async_context(background("supervisor", supervisor.supervise))
            yield cls(ports, chosen, caller or Caller(), housekeeping)

    def as_caller(self, caller: Caller) -> Workspace:
        """Return the operations of another caller."""
        return Workspace(self._ports, caller, self.config.server.search_timeout_s)

    @property
    def registry(self) -> Members:
        """Accounts, members and keys."""
        return self._ports.registry

    @property
    def upload_dir(self) -> Path:
        """Where uploads are stored until they are imported, for at most 12 hours."""
        return self._ports.uploads

    async def usage(self) -> Usage:
        """Return the sizes of the store."""
        return await self._ports.stats.usage()

    async def queues(self) -> list[QueueCount]:
        """Return the counts of jobs by kind."""
        return await self._ports.stats.queues()

    async def readiness(self) -> Readiness:
        """Return the readiness as last measured. Does not touch the store."""
        return self._housekeeping.readiness()

    def health_snapshot(self) -> HealthSnapshot:
        """Return everything as last measured. Does not touch the store."""
        return self._housekeeping.health_snapshot()

    async def check(self, *, repair: bool = False, contents: bool = True) -> list[str]:
        """Check the store and return its faults, one sentence each. ``repair`` repairs what it can.

        ``contents``: read every content and blob and compare it with its hash, which takes as long as reading the disk.
        """
        return await check(self._ports, repair=repair, contents=contents)


__all__ = ["Engine", "Workspace"]
