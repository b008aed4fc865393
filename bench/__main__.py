"""``python -m bench``: every performance budget, measured on this machine, next to what the machine does without recalld."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import bench_context, bench_find, bench_import, bench_install, bench_recall, bench_tree, floors
from bench.server import serving
from bench.table import Row, at_most, missed, save, show

SMALL = 1_000
QUIET = 3_000
LARGE = 100_000
PART = 20_000


async def measure(folder: Path, files: int, parts: frozenset[str]) -> list[Row]:
    """All rows, in the order of the table."""
    # On a machine that others use, what follows is theirs too.
    rows = [Row("machine", f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before we began")]
    if "install" in parts:
        rows += _say(bench_install.measure(folder))
    if "speed" in parts:
        rows += await _speed(folder, files)
    if "size" in parts:
        rows += await _size(folder)
    if "recall" in parts:
        async with serving(folder / "recall") as server:
            rows += _say(await asyncio.to_thread(bench_recall.measure, server))
    return rows


async def _speed(folder: Path, files: int) -> list[Row]:
    found = await floors.measure(folder, files)
    data = folder / "store"
    rows: list[Row] = []
    async with serving(data) as server:
        rows += _say([at_most("start to first /health, empty", server.start_s, 1.5, "s")])
        idle = await bench_import.idle_health(server, files)
        await bench_import.run_import(server, 0, SMALL)
        small, _, _ = await bench_find.one_client(server, SMALL, 4)
        rows += _say(await bench_import.quiet(server, SMALL, SMALL + QUIET, found))
        rows += _say(await bench_import.talked(server, SMALL + QUIET, SMALL + 2 * QUIET, found))
    # A second store, so that the subtree moved later is one import of all files.
    data = folder / "large"
    async with serving(data) as server:
        rows += _say(await bench_import.crowded(server, 0, files, idle))
    async with serving(data) as server:
        rows += _say([at_most(f"start to first /health, {files} files", server.start_s, 2.5, "s")])
        large, more = await bench_find.measure(server, files, found)
        rows += _say(more)
        rows += _say(
            [at_most(f"growth of find p50, {SMALL} to {files} files", large / small, 2, "x", f"{small:.2f} ms")]
        )
        rows += _say(await bench_context.measure(server, files))
        rows += _say(await bench_tree.measure(server, found))
    async with serving(data, RECALLD_EMBEDDER__PROVIDER="none") as server:
        rows += _say(await bench_find.measure_lexical(server, files, found))
    async with serving(data) as server:
        await server.settle()
        await asyncio.sleep(5)
        memory = server.memory_mb()
        each = " + ".join(f"{part:.0f}" for part in memory)
        rows += _say([at_most("idle memory of server and worker", sum(memory), 250, "MB", note=each)])
        rows += _say(await bench_tree.moves(server, files))
    return rows


async def _size(folder: Path) -> list[Row]:
    """Reported without a budget: what ten times more files do to a find."""
    async with serving(folder / "huge") as server:
        rate = LARGE / sum([await bench_import.run_import(server, at, at + PART) for at in range(0, LARGE, PART)])
        p50, p99, cpu = await bench_find.one_client(server, LARGE)
        each = " + ".join(f"{part:.0f}" for part in server.memory_mb())
        return list(
            _say(
                [
                    Row(f"find p50 / p99, {LARGE} files", f"{p50:.1f} / {p99:.1f} ms ({cpu:.1f} ms of CPU)"),
                    Row(f"import of {LARGE} files", f"{rate:.0f} files/s; memory afterwards {each} MB"),
                ]
            )
        )


def _say(rows: Sequence[Row]) -> Sequence[Row]:
    for row in rows:
        print(f"  {row.what}: {row.measured}", file=sys.stderr, flush=True)
    return rows


def main() -> int:
    """Measure, print the table, exit 1 if a budget was missed."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--files", type=int, default=10_000, help="how many files are imported (10000)")
    options.add_argument("--parts", default="install,speed,size,recall", help="which parts to run")
    options.add_argument("--json", default="", help="write the rows here too")
    options.add_argument("--folder", default=".bench", help="where stores lie meanwhile")
    chosen = options.parse_args()
    folder = Path(chosen.folder).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = asyncio.run(measure(folder, chosen.files, frozenset(chosen.parts.split(","))))
    show(rows)
    if chosen.json:
        save(rows, Path(chosen.json))
    shutil.rmtree(folder, ignore_errors=True)
    return 1 if list(missed(rows)) else 0


if __name__ == "__main__":
    raise SystemExit(main())
