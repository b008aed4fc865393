"""Which step does which kind of job, and how long and how often it may try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from recalld.domain.job import Job
from recalld.domain.policy import JobPolicy
from recalld.ports.bundle import Ports
from recalld.usecases.add.load import load
from recalld.usecases.members.leave import leave
from recalld.usecases.session.auto import auto_commit
from recalld.usecases.session.learn import extract
from recalld.usecases.upkeep.embed import embed
from recalld.usecases.upkeep.enrich import enrich
from recalld.usecases.upkeep.purge import purge, reown
from recalld.usecases.upkeep.reindex import reindex
from recalld.usecases.upkeep.reshape import reshape
from recalld.usecases.upkeep.revive import revive
from recalld.usecases.upkeep.tiers import refresh

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
