"""The step of each job kind, with its time limit and its attempts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from recalld.domain.job import Job
from recalld.domain.policy import JobPolicy
from recalld.ports.bundle import Ports
from recalld.usecases.add.run_import import run_import
from recalld.usecases.maintenance.embed import embed
from recalld.usecases.maintenance.enrich import enrich
from recalld.usecases.maintenance.purge import purge, repartition
from recalld.usecases.maintenance.recheck import recheck
from recalld.usecases.maintenance.reindex import reindex
from recalld.usecases.maintenance.reparse import reparse
from recalld.usecases.maintenance.revive import revive
from recalld.usecases.maintenance.tiers import refresh
from recalld.usecases.members.delete_member import delete_member
from recalld.usecases.session.auto_commit import auto_commit
from recalld.usecases.session.extract_memories import extract

Step = Callable[[Job, Ports], Awaitable[None]]

STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "import": run_import,
        "extract": extract,
        "auto_commit": auto_commit,
        "reindex": reindex,
        "tiers": refresh,
        "embed": embed,
        "enrich": enrich,
        "shape": reparse,
        "purge": purge,
        "reown": repartition,
        "revive": revive,
        "recheck": recheck,
        "leave": delete_member,
    }
)

POLICIES: Mapping[str, JobPolicy] = MappingProxyType(
    {
        "import": JobPolicy(attempts_max=5, deadline_s=6 * 3_600.0),
        "extract": JobPolicy(attempts_max=10, deadline_s=1_800.0),
        "tiers": JobPolicy(attempts_max=5, deadline_s=3_600.0),
        "leave": JobPolicy(attempts_max=200, deadline_s=3_600.0),
        "recheck": JobPolicy(attempts_max=200),
        "reindex": JobPolicy(attempts_max=3, deadline_s=6 * 3_600.0),
        "embed": JobPolicy(attempts_max=20, deadline_s=24 * 3_600.0),
        "enrich": JobPolicy(attempts_max=20, deadline_s=24 * 3_600.0),
    }
)
