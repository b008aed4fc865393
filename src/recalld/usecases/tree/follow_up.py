"""The jobs that follow every change of content."""

from __future__ import annotations

from recalld.domain.job import NewJob

FOLLOW_UP_JOBS = (NewJob("tiers", "tiers", delay_s=0.2), NewJob("embed", "embed"))
"""Refresh the tiers above it, embed new chunks. Merged by key."""
