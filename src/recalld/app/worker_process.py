"""The worker process: ``python -m recalld work``, started only by a server's supervisor."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

from recalld.domain.errors import Conflict
from recalld.infra import cpu_affinity, file_permissions, logs, malloc_tuning
from recalld.infra.child_process import FD_VARIABLE, die_with_parent, inherited_socket, lower_priority
from recalld.infra.ipc import Channel
from recalld.infra.tasks import background

from .build import build_worker
from .config import Config
from .supervisor import WORKER, decode_settings
from .worker_loop import work


def main(arguments: Sequence[str] = ()) -> int:
    """Work until the server disconnects. Returns 0, or 2 if no server of this version started this process."""
    if FD_VARIABLE not in os.environ:
        sys.stderr.write("the worker process is started by its server alone\n")
        return 2
    os.umask(file_permissions.OTHERS)
    malloc_tuning.tune_malloc()
    cpu_affinity.shorten_switch_interval()
    cpu_affinity.limit_blas_threads()
    die_with_parent()
    sock, settings = inherited_socket()
    try:
        config = decode_settings(settings)
    except Conflict as other:
        sys.stderr.write(f"{other}\n")
        return 2
    lower_priority(config.worker.nice)
    log = logs.setup(level=config.log.level, json=config.log.format == "json")
    try:
        asyncio.run(serve(config, Channel(sock)))
    finally:
        log.close()
    return 0


async def serve(config: Config, channel: Channel) -> None:
    """Run jobs while the connection lasts; a fault of the loop itself is logged and the loop restarted."""

    async def jobs() -> None:
        async with build_worker(config, channel) as ports:
            await work(
                ports,
                name=WORKER,
                lease_s=config.worker.lease_timeout_s,
                waiting_max=config.worker.concurrent_model_calls_max,
            )

    # When the server ends, the next worker leases the running jobs again: this process has no state of its own.
    async with background("work", jobs):
        await channel.run()
