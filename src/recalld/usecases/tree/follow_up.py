"""The jobs that follow every change of content."""

from __future__ import annotations

from collections.abc import Iterable

from recalld.domain.commit import PutFile
from recalld.domain.job import Lane, NewJob
from recalld.domain.job_payload import EmbedPayload, ReparsePayload, TiersPayload
from recalld.domain.uri import Uri

EMBED = EmbedPayload().job()
FOLLOW_UP_JOBS = (TiersPayload().job(delay_s=0.2), EMBED)
"""Refresh the tiers above it, embed new chunks. Merged by key."""


def jobs_after(puts: Iterable[PutFile]) -> tuple[NewJob, ...]:
    """Return the follow-up jobs of these writes: a file that is not parsed yet gets a job that parses it."""
    return (*(reparse_job(p.uri) for p in puts if p.chunks is None or p.tiers is None), *FOLLOW_UP_JOBS)


def reparse_job(uri: Uri, lane: Lane = Lane.INTERACTIVE, *, quiet: bool = False) -> NewJob:
    """Return the job that parses a stored file; a pending one is merged. ``quiet``: its directory's tiers are not refreshed."""
    return ReparsePayload(str(uri), quiet).job(f"shape:{uri}", lane=lane)
