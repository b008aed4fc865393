"""The step of each job kind, with its payload, time limit and attempts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from recalld.domain import job
from recalld.domain.job import Job, JobPayload
from recalld.domain.policy import JobPolicy
from recalld.ports.bundle import Ports
from recalld.usecases.add.run_import import run_import
from recalld.usecases.maintenance.embed import embed
from recalld.usecases.maintenance.enrich import enrich
from recalld.usecases.maintenance.purge import purge, repartition
from recalld.usecases.maintenance.rederive import rederive
from recalld.usecases.maintenance.reindex import reindex
from recalld.usecases.maintenance.reparse import recheck, reparse, revive
from recalld.usecases.maintenance.tiers import refresh
from recalld.usecases.members.delete_member import delete_member
from recalld.usecases.session.commit import auto_commit
from recalld.usecases.session.extract_memories import extract


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of job. ``run`` gets the job with its payload decoded as ``payload``."""

    payload: type[JobPayload]
    run: Callable[[Job[Any], Ports], Awaitable[None]]
    policy: JobPolicy = JobPolicy()


_DAY_S = 24 * 3_600.0
KINDS: Mapping[str, JobKind] = MappingProxyType(
    {
        kind.payload.KIND: kind
        for kind in (
            JobKind(job.ImportPayload, run_import, JobPolicy(attempts_max=5, deadline_s=6 * 3_600.0)),
            JobKind(job.ExtractPayload, extract, JobPolicy(attempts_max=10, deadline_s=1_800.0)),
            JobKind(job.AutoCommitPayload, auto_commit),
            JobKind(job.ReindexPayload, reindex, JobPolicy(attempts_max=3, deadline_s=6 * 3_600.0)),
            JobKind(job.TiersPayload, refresh, JobPolicy(attempts_max=5, deadline_s=3_600.0)),
            JobKind(job.EmbedPayload, embed, JobPolicy(attempts_max=20, deadline_s=_DAY_S)),
            JobKind(job.EnrichPayload, enrich, JobPolicy(attempts_max=20, deadline_s=_DAY_S)),
            JobKind(job.ReparsePayload, reparse),
            JobKind(job.PurgePayload, purge),
            JobKind(job.RepartitionPayload, repartition),
            JobKind(job.RevivePayload, revive),
            JobKind(job.RecheckPayload, recheck, JobPolicy(attempts_max=200)),
            JobKind(job.RederivePayload, rederive, JobPolicy(attempts_max=200)),
            JobKind(job.DeleteMemberPayload, delete_member, JobPolicy(attempts_max=200, deadline_s=3_600.0)),
        )
    }
)
POLICIES: Mapping[str, JobPolicy] = MappingProxyType({name: kind.policy for name, kind in KINDS.items()})
