"""What the machine gives without us, in the same run: raw SQLite, numpy, the model alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import apsw
import numpy as np
import orjson

from bench import corpus
from bench.table import quantile
from recalld.adapters.embedder.static import plugin as static


@dataclass(frozen=True, slots=True)
class Floors:
    """Milliseconds, but for the two rates (per second)."""

    append_p50: float
    append_p99: float
    match_p50: float
    dense_p50: float
    embed_p50: float
    list_1000: float
    store_rate: float
    embed_rate: float

    @property
    def find_p50(self) -> float:
        """One embedding, one full-text match, one product over all rows."""
        return self.match_p50 + self.dense_p50 + self.embed_p50


def timed(call: Callable[[], object], times: int) -> list[float]:
    """Milliseconds of each call."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        took.append((time.perf_counter() - begun) * 1000)
    return took


async def measure(folder: Path, files: int) -> Floors:
    """Everything, over ``files`` notes."""
    notes = [corpus.note(number) for number in range(files)]
    base = apsw.Connection(str(folder / "floor.db"))
    base.execute("PRAGMA journal_mode=WAL").fetchall()
    base.execute("PRAGMA synchronous=FULL").fetchall()
    base.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, text TEXT); CREATE VIRTUAL TABLE fts USING fts5(t)")
    appends = timed(lambda: base.execute("INSERT INTO message (text) VALUES (?)", (notes[0],)), 300)
    begun = time.perf_counter()
    for start in range(0, files, 100):
        with base:
            base.executemany("INSERT INTO fts (t) VALUES (?)", [(text,) for text in notes[start : start + 100]])
    store_rate = files / (time.perf_counter() - begun)
    queries = [" OR ".join(query.split()) for query in corpus.queries(files, 200)]
    ask = iter(queries)
    sql = "SELECT rowid, bm25(fts) FROM fts WHERE fts MATCH ? ORDER BY bm25(fts) LIMIT 50"
    match = timed(lambda: base.execute(sql, (next(ask),)).fetchall(), len(queries))
    rows = [{"uri": f"viking://x/{n}", "size": n, "abstract": notes[n % files][:256]} for n in range(1000)]
    listed = timed(lambda: orjson.dumps(rows), 50)
    base.close()
    model = static.make(static.settings())
    await model.embed(["warm"])
    begun = time.perf_counter()
    vectors = np.concatenate([await model.embed(notes[start : start + 100]) for start in range(0, 1000, 100)])
    embed_rate = len(vectors) / (time.perf_counter() - begun)
    embeds = []
    for query in corpus.queries(files, 100):
        begun = time.perf_counter()
        await model.embed([query], query=True)
        embeds.append((time.perf_counter() - begun) * 1000)
    await model.close()
    all_rows = np.resize(vectors, (files, vectors.shape[1]))
    question = vectors[0]
    return Floors(
        append_p50=quantile(appends, 0.5),
        append_p99=quantile(appends, 0.99),
        match_p50=quantile(match, 0.5),
        dense_p50=quantile(timed(lambda: np.argpartition(all_rows @ question, -50), 100), 0.5),
        embed_p50=quantile(embeds, 0.5),
        list_1000=quantile(listed, 0.5),
        store_rate=store_rate,
        embed_rate=embed_rate,
    )
