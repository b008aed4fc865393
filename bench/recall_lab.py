"""Recall on development data, in process: fill an index, ask every question, print what was found.

    RECALLD_EVAL_DATA=/path/to/folder python -m bench.recall_lab [--sets locomo,beam-100K] [--mode session|content]
        [--models static,minilm] [--set contextual=3/1/0.5 --set role=0.2] [--find]

The folder holds ``data`` (the public sets' own files) and the package ``eval`` that loads them. Nothing of the data is
kept here. ``RECALLD_LAB_CACHE`` names a folder for vectors, so that a second run embeds nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import pickle
import re
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from recalld.adapters.embedder import minilm, static
from recalld.adapters.sqlite.search.index import SqliteSearchIndex
from recalld.app.build import StageTimes
from recalld.domain.caller import Caller
from recalld.domain.policy import Deadlines
from recalld.domain.query import Query
from recalld.domain.uri import Uri
from recalld.ports.bundle import no_linger
from recalld.ports.maintenance import DerivedState
from recalld.rules.rank import best_per_entry, rank
from recalld.rules.ranking_params import DEFAULT, RankingParams
from recalld.rules.transcript_header import epoch_of
from recalld.usecases.find import find as find_module
from recalld.usecases.find.plan import plan
from recalld.usecases.find.recall import Recall, embedding_query
from tests.index_builder import IndexBuilder

SETS = ("locomo", "beam-100K", "cranfield", "drcd", "cosqa", "metatool", "bfcl")


def evaluation_home() -> Path:
    """The folder that holds ``data`` and ``eval``; ``data`` itself may be named as well."""
    named = Path(os.environ["RECALLD_EVAL_DATA"])
    return named if (named / "eval").is_dir() else named.parent


def slug(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text).strip("_") or "x"


class CachedEmbedder:
    """A built-in model with its vectors in a file, if ``RECALLD_LAB_CACHE`` names a folder."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.name, self.width, self.fingerprint = model.name, model.width, model.fingerprint
        self.floor, self.ceiling = model.floor, model.ceiling
        folder = os.environ.get("RECALLD_LAB_CACHE", "")
        self._file = Path(folder, f"{model.name}.pkl") if folder else None
        known = self._file is not None and self._file.exists()
        self._vectors: dict[bytes, np.ndarray] = pickle.loads(self._file.read_bytes()) if known and self._file else {}

    async def embed(self, texts: list[str], *, query: bool = False) -> np.ndarray:
        """Return one row per text."""
        keys = [hashlib.sha1((("q" if query else "p") + text).encode()).digest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._vectors}
        missing = list(new)
        for s in range(0, len(missing), self._model.batch_max):
            part = missing[s : s + self._model.batch_max]
            rows = await self._model.embed([new[key] for key in part], query=query)
            self._vectors.update(zip(part, np.asarray(rows, np.float16), strict=True))
        if len(missing) > 1 and self._file is not None:
            self._file.write_bytes(pickle.dumps(self._vectors))
        rows = [self._vectors[key] for key in keys]
        return np.stack(rows).astype(np.float32) if rows else np.zeros((0, self.width), np.float32)


def embedders_of(names: str) -> tuple[CachedEmbedder, ...]:
    """The built-in models of these names, separated by commas."""
    plugins = {"static": static.plugin, "minilm": minilm.plugin}
    chosen = [plugins[name] for name in names.split(",") if name]
    return tuple(CachedEmbedder(plugin.make(plugin.settings())) for plugin in chosen)


@dataclass
class Bench:
    """One data set in one index."""

    name: str
    builder: IndexBuilder
    ports: Any
    item_of: dict[int, str]
    scopes: list[tuple[Any, Caller, tuple[Uri, ...]]]
    main: tuple[str, ...] | None


async def fill(name: str, mode: str, embedders: tuple[Any, ...], loaders: Any) -> Bench:
    data = loaders.load(name, "dev")
    builder, item_of, scopes = IndexBuilder(), {}, []
    with builder.c:
        for scope in data.scopes:
            user, base = slug(scope.id), Uri(("resources", "eval", slug(scope.id)))
            is_session = mode == "session" and scope.items[0].kind == "message"
            if is_session:
                for folder, members in scope.groups().items():
                    turns = []
                    for i in members:
                        it = scope.items[i]
                        turns.append((slug(it.id), it.speaker, it.text, epoch_of(it.time) or 0.0 if it.time else 0.0))
                    for node, i in zip(builder.add_turns(user, slug(folder), turns), members, strict=True):
                        item_of[node] = scope.items[i].id
            else:
                for it in scope.items:
                    path = [slug(p) for p in it.path.strip("/").split("/")]
                    if not re.search(r"\.\w{1,4}$", it.path):
                        path[-1] += ".md"
                    head = f"{it.speaker}: " if it.speaker else ""
                    when = f"[{it.time}] " if it.time else ""
                    item_of[builder.file(Uri((*base.parts, *path)), when + head + it.text)] = it.id
            scopes.append((scope, Caller(user=user), () if is_session else (base,)))
    ports = ports_of(builder, embedders)
    for embedder in embedders:
        await embed_all(builder, embedder)
    return Bench(name, builder, ports, item_of, scopes, data.main_categories)


def ports_of(builder: IndexBuilder, embedders: tuple[Any, ...]) -> Any:
    clock = SimpleNamespace(monotonic=time.perf_counter, now=time.time)
    return SimpleNamespace(
        index=SqliteSearchIndex(builder, builder.pool),
        embedders=embedders,
        deadlines=Deadlines(embed_s=60),
        reranker=None,
        compute=builder.pool,
        clock=clock,
        stages=StageTimes(),
        strict_filters=False,
        linger_s=no_linger,
        derived=DerivedState(),
    )


async def embed_all(builder: IndexBuilder, embedder: Any) -> None:
    ids = list(builder.texts)
    vectors = await embedder.embed([builder.texts[i] for i in ids])
    builder.vectors(embedder.fingerprint, embedder.width, dict(zip(ids, vectors, strict=True)))


async def gather(bench: Bench) -> list[tuple[Any, Any, Any, Any]]:
    """Everything a question's ranking needs, so that weights can be tried without searching again."""
    gathered, ports = [], bench.ports
    for scope, caller, targets in bench.scopes:
        for q in scope.queries:
            query = Query(q.text[:10_000], targets=targets, limit=100)
            end = asyncio.get_running_loop().time() + 60
            async with embedding_query(query.text, ports, end=end) as embedding:
                recall = Recall(plan(query), await ports.index.open(caller, query), ports)
                table, evidence = await recall.run(embedding, linger_s=0.0, end=end, join_end=end)
            gathered.append((q, scope.id, table.rows, evidence))
    return gathered


def measure(bench: Bench, gathered: list[Any], params: RankingParams, metrics: Any) -> dict[str, float]:
    rows = []
    for q, _, candidates, evidence in gathered:
        if bench.main is not None and q.category not in bench.main:
            continue
        ranked = rank(q.text, candidates, evidence, params)
        best = best_per_entry(candidates.node, ranked.total, 100)
        rows.append(metrics.per_query([bench.item_of[n] for n in candidates.node[best].tolist()], q.gold))
    return {k: metrics.mean(rows, k) for k in ("recall@1", "recall@5", "recall@10", "recall@20", "ndcg@10")}


async def measure_find(
    bench: Bench, metrics: Any, params: RankingParams, limit: int = 100
) -> tuple[dict[str, float], list[float], list[float]]:
    """The whole route, cut and all."""
    rows, wall, cpu = [], [], []
    nodes = {}
    for scope, caller, targets in bench.scopes:
        for q in scope.queries:
            if bench.main is not None and q.category not in bench.main:
                continue
            t, p = time.perf_counter(), time.process_time()
            answer = await find_module.find(
                Query(q.text[:10_000], targets=targets, limit=limit), caller, bench.ports, deadline_s=60
            )
            wall.append((time.perf_counter() - t) * 1e3)
            cpu.append((time.process_time() - p) * 1e3)
            ids = []
            for hit in answer.hits:
                if hit.uri not in nodes:
                    nodes[hit.uri] = bench.builder.at(hit.uri)
                ids.append(bench.item_of[nodes[hit.uri]])
            rows.append(metrics.per_query(ids, q.gold))
    return {k: metrics.mean(rows, k) for k in ("recall@1", "recall@5", "recall@10", "recall@20", "ndcg@10")}, wall, cpu


def parse_params(text: str) -> RankingParams:
    changes: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, value = part.split("=")
        changes[key] = tuple(float(v) for v in value.split("/")) if "/" in value else float(value)
    return replace(DEFAULT, **changes)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--mode", default="session")
    parser.add_argument(
        "--models", default="static,minilm", help="in the order of the configuration; empty = words alone"
    )
    parser.add_argument("--set", action="append", default=[], help="weights to try, one configuration per option")
    parser.add_argument("--find", action="store_true", help="run the whole route")
    x = parser.parse_args()
    sys.path.insert(0, str(evaluation_home()))
    from eval import loaders, metrics  # noqa: PLC0415  (known only once the folder is)

    embedders = embedders_of(x.models)
    for name in x.sets.split(","):
        t = time.perf_counter()
        bench = await fill(name, x.mode, embedders, loaders)
        filled = time.perf_counter() - t
        gathered = await gather(bench)
        chunks = bench.builder.c.execute("SELECT count(*) FROM chunk").fetchone()[0]
        each = 1e3 * (time.perf_counter() - t - filled) / len(gathered)
        print(f"{name} {x.mode} chunks {chunks} fill {filled:.1f} s, {each:.2f} ms a question")
        for spec in x.set or [""]:
            got = measure(bench, gathered, parse_params(spec), metrics)
            print("   ", " ".join(f"{k} {v:.4f}" for k, v in got.items()), spec, flush=True)
        if x.find:
            got, wall, cpu = await measure_find(bench, metrics, DEFAULT)
            print(
                "find",
                " ".join(f"{k} {v:.4f}" for k, v in got.items()),
                f"p50 {np.median(wall):.2f} ms cpu {np.median(cpu):.2f} ms",
                flush=True,
            )


if __name__ == "__main__":
    asyncio.run(main())
