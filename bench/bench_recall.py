"""Recall on research data, through the HTTP API. ``RECALLD_EVAL_DATA`` names a folder that holds ``data`` and ``eval``.

The data's licences keep it out of this repository; without it these rows are left out.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from bench.server import Server
from bench.table import Row, at_least

SETS = (
    ("locomo", "LoCoMo dev, turns", 0.75),
    ("beam-100K", "BEAM-100K dev", 0.55),
    ("drcd", "DRCD", 0.97),
    ("bfcl", "BFCL", 0.76),
)


def measure(server: Server) -> list[Row]:
    """R@10 of each set. Blocks: run it on a thread."""
    home = os.environ.get("RECALLD_EVAL_DATA", "")
    if not home or not Path(home, "eval").is_dir():
        return [Row("recall through the HTTP API", "not measured", budget="set RECALLD_EVAL_DATA")]
    sys.path.insert(0, home)
    run = importlib.import_module("eval.run")
    load = importlib.import_module("eval.loaders").load
    retriever = importlib.import_module("eval.server").HttpRetriever
    metrics = importlib.import_module("eval.metrics")
    rows = []
    for name, shown, budget in SETS:
        data = load(name, "dev")
        done = run.evaluate(data, lambda: retriever(f"http://127.0.0.1:{server.port}"), depth=20)
        kept = run.headline(data, done["rows"])
        rows.append(
            at_least(f"recall@10: {shown}", metrics.mean(kept, "recall@10"), budget, "", note=f"{len(kept)} questions")
        )
    return rows
