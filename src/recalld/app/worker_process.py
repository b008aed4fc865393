"""The worker process: ``python -m recalld work``, started by a server's supervisor and by nobody else."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

from recalld.infra import heap, logs, private, processor
from recalld.infra.background import background
from recalld.infra.child import FD_VARIABLE, follow_parent, inherited_socket, step_back
from recalld.infra.link import Link

from .build import build_worker
from .config import Config
from .supervisor import WORKER
from .worker_loop import work
from .worker_settings import decode_settings


def main(arguments: Sequence[str] = ()) -> int:
    """Work until the server hangs up. Returns 0, or 2 when no server started us."""
    if FD_VARIABLE not in os.environ:
        sys.stderr.write("recalld work is started by recalld serve, which has one worker beside it\n")
        return 2
    os.umask(private.OTHERS)
    heap.settle()
    processor.hand_over_soon()
    processor.one_blas_thread()
    follow_parent()
    sock, settings = inherited_socket()
    config = decode_settings(settings)
    step_back(config.worker.nice)
    log = logs.setup(level=config.log.level, json=config.log.format == "json")
    try:
        asyncio.run(serve(config, Link(sock)))
    finally:
        log.close()
    return 0


async def serve(config: Config, link: Link) -> None:
    """Do jobs while the link lasts; a fault of the loop itself is logged and the loop started again."""

    async def jobs() -> None:
        async with build_worker(config, link) as ports:
            await work(ports, name=WORKER, lease_s=config.worker.lease_s, waiting_max=config.worker.model_calls_max)

    # When the server has gone or stops, what was running is leased again by the next worker: nothing here is the truth.
    async with background("work", jobs):
        await link.run()
