"""Which step does which kind of job, and how long and how often it may try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from recalld.domain.job import Job
from recalld.domain.policy import JobPolicy
from recalld.flows.add.load import load
from recalld.flows.members.leave import leave
from recalld.flows.session.auto import auto_commit
from recalld.flows.session.learn import extract
from recalld.flows.upkeep.embed import embed
from recalld.flows.upkeep.enrich import enrich
from recalld.flows.upkeep.purge import purge, reown
from recalld.flows.upkeep.reindex import reindex
from recalld.flows.upkeep.reshape import reshape
from recalld.flows.upkeep.revive import revive
from recalld.flows.upkeep.tiers import refresh
from recalld.ports.bundle import Ports

Step = Callable[[Job, Ports], Awaitable[None]]

STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "import": load,
        "extract": extract,
        "auto_commit": auto_commit,
        "reindex": reindex,
        "tiers": refresh,
        "embed": embed,
        "enrich": enrich,
        "shape": reshape,
        "purge": purge,
        "reown": reown,
        "revive": revive,
        "leave": leave,
    }
)

POLICIES: Mapping[str, JobPolicy] = MappingProxyType(
    {
        "import": JobPolicy(attempts_max=5, deadline_s=6 * 3_600.0),
        "extract": JobPolicy(attempts_max=10, deadline_s=1_800.0),
        "tiers": JobPolicy(attempts_max=5, deadline_s=3_600.0),
        "leave": JobPolicy(attempts_max=200, deadline_s=3_600.0),
        "reindex": JobPolicy(attempts_max=3, deadline_s=6 * 3_600.0),
        "embed": JobPolicy(attempts_max=20, deadline_s=24 * 3_600.0),
        "enrich": JobPolicy(attempts_max=20, deadline_s=24 * 3_600.0),
    }
)
