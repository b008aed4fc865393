"""Recall on research data, through the HTTP API. ``RECALLD_EVAL_DATA`` names a folder that holds ``data`` and ``eval``.

The data's licences keep it out of this repository; without it these rows are left out.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import zlib
from pathlib import Path
from typing import Any

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
    retriever = _named_apart(importlib.import_module("eval.server").HttpRetriever)
    metrics = importlib.import_module("eval.metrics")
    rows = []
    for name, shown, budget in SETS:
        data = load(name, "dev")
        done = run.evaluate(data, lambda: retriever(f"http://127.0.0.1:{server.port}"), depth=20)
        scored = run.headline(data, done["rows"])
        rows.append(
            at_least(
                f"recall@10: {shown}", metrics.mean(scored, "recall@10"), budget, "", note=f"{len(scored)} questions"
            )
        )
    return rows


def _named_apart(retriever: Any) -> Any:
    """The data's own HTTP retriever, with file names that stay different when their letters are not ASCII."""

    class NamedApart(retriever):  # type: ignore[misc]
        def _content(self, scope: Any) -> None:
            operations = []
            for item in scope.items:
                uri = self.base + "/" + "/".join(_segment(part) for part in item.path.strip("/").split("/"))
                uri += "" if re.search(r"\.\w{1,4}$", uri) else ".md"
                self.by_uri[uri] = item.id
                head = (f"[{item.time}] " if item.time else "") + (f"{item.speaker}: " if item.speaker else "")
                operations.append({"uri": uri, "content": head + item.text, "mode": "upsert"})
            for start in range(0, len(operations), self.batch):
                body = {"root_uri": self.base, "operations": operations[start : start + self.batch], "wait": True}
                self.api.call("POST", "/api/v1/content/batch-write", body)

    return NamedApart


def _segment(part: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip("_")
    return plain if plain == part else f"{plain}_{zlib.crc32(part.encode()):08x}".lstrip("_")
