"""What every change of content leaves to do."""

from __future__ import annotations

from recalld.domain.job import NewJob

FOLLOW_UP_JOBS = (NewJob("tiers", "tiers", delay_s=0.2), NewJob("embed", "embed"))
"""Refresh tiers above it, embed new chunks. Folded by key."""
