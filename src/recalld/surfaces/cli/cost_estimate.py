"""The estimated cost of an import when a language model is configured, shown before it starts."""

from __future__ import annotations

import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from recalld.domain.errors import NotFound
from recalld.rules.costs import estimate

from .options import Call
from .render import note


def estimated_cost(call: Call, file: Path, name: str) -> dict[str, Any] | None:
    """The estimate for a file or zip beside today's budget; None where no language model is configured."""
    try:
        budget = call.client.usage(1)["model"]
    except NotFound:
        return None  # an older server, without this route
    if not budget["provider"]:
        return None
    found = estimate(_sizes(file, name))
    left = max(0, budget["tokens_per_day_max"] - budget["tokens_today"])
    planned = min(found.tokens, budget["tokens_per_import_max"])
    return {
        **asdict(found),
        "provider": budget["provider"],
        "tokens_left_today": left,
        "tokens_per_day_max": budget["tokens_per_day_max"],
        "tokens_per_import_max": budget["tokens_per_import_max"],
        "calls_per_import_max": budget["calls_per_import_max"],
        "share_of_day": round(planned / max(1, budget["tokens_per_day_max"]), 4),
    }


def show_cost(found: dict[str, Any]) -> None:
    """In a line or two, beside the answer."""
    note(
        f"{found['provider']}: about {found['tokens']:,} tokens in {found['calls']:,} calls for {found['files']:,} files, "
        f"{found['share_of_day']:.0%} of a day's budget; {found['tokens_left_today']:,} are left today"
    )
    if found["tokens"] > found["tokens_per_import_max"] or found["calls"] > found["calls_per_import_max"]:
        note(
            f"an import plans at most {found['tokens_per_import_max']:,} tokens and {found['calls_per_import_max']:,} calls: "
            "further files keep extractive abstracts"
        )


def _sizes(file: Path, name: str) -> list[tuple[str, int]]:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return [(entry.filename, entry.file_size) for entry in archive.infolist() if not entry.is_dir()]
    return [(name, file.stat().st_size)]
