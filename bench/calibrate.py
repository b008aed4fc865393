"""Constants of ``rules/ranking_params.Calibration`` from development data.

    RECALLD_EVAL_DATA=/path/to/folder python -m bench.calibrate [--no-vectors]

Fits the chance that a ranked entry is relevant (each set counts the same; a tenth of every set's questions is also asked
where nothing relevant can be), then moves the scale so that 98% of the relevant entries found score above 0.1 and the
best F1 lies at 0.35.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

import numpy as np

from bench.recall_lab import SETS, evaluation_home, fill, gather
from recalld.adapters.embedder.static import StaticEmbedder, StaticSettings
from recalld.rules.rank import best_per_entry, rank
from recalld.rules.ranking_params import DEFAULT

DEPTH = 20


def examples(bench: Any, gathered: list[Any], foreign: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (total, coverage, closeness) of the top entries, whether relevant, and the question's number."""
    xs, ys, qs = [], [], []
    for k, (q, _, table, evidence) in enumerate(gathered):
        if bench.main is not None and q.category not in bench.main and not foreign:
            continue
        ranked = rank(q.text, table, evidence, DEFAULT)
        coverage, closeness = ranked.coverage, ranked.closeness
        best = best_per_entry(table.node, ranked.total, DEPTH)
        gold = set() if foreign else set(q.gold)
        xs.append(
            np.column_stack([ranked.total[best], np.full(len(best), coverage), np.full(len(best), closeness or 0.0)])
        )
        ys.append(np.array([bench.item_of[n] in gold for n in table.node[best].tolist()]))
        qs.append(np.full(len(best), k))
    return np.concatenate(xs), np.concatenate(ys), np.concatenate(qs)


def design(x: np.ndarray) -> np.ndarray:
    t, c, d = x.T
    return np.column_stack([np.ones(len(x)), t, np.sqrt(np.maximum(c, 0)), d])


def fit(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Weighted logistic regression by Newton's method, lightly ridged."""
    a, beta = design(x), np.zeros(4)
    for _ in range(50):
        p = 1 / (1 + np.exp(-a @ beta))
        step = np.linalg.solve(
            (a * (w * p * (1 - p))[:, None]).T @ a + 1e-3 * np.eye(4), a.T @ (w * (y - p)) - 1e-3 * beta
        )
        beta = beta + step
        if np.abs(step).max() < 1e-7:
            break
    return beta


def cuts(z: list[np.ndarray], y: list[np.ndarray]) -> tuple[float, float, list[float]]:
    """Logits that keep 98% of the relevant (over sets) and that give the best mean F1."""
    spread = np.concatenate([np.quantile(a[b], np.linspace(0, 1, 201)) for a, b in zip(z, y, strict=True)])
    # Together they keep 98%, and none less than 97%.
    keep = float(min(np.quantile(spread, 0.02), *(np.quantile(a[b], 0.03) for a, b in zip(z, y, strict=True))))
    grid = np.linspace(-6, 4, 201)
    f1 = np.array(
        [[2 * (b & (a > g)).sum() / max((a > g).sum() + b.sum(), 1) for g in grid] for a, b in zip(z, y, strict=True)]
    )
    return keep, float(grid[f1.mean(0).argmax()]), [float(grid[r.argmax()]) for r in f1]


def chance(x: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-design(x) @ beta))


def f1(p: np.ndarray, relevant: np.ndarray, cut: float) -> float:
    return 2 * (relevant & (p > cut)).sum() / max((p > cut).sum() + relevant.sum(), 1)


def report(name: str, x: np.ndarray, relevant: np.ndarray, beta: np.ndarray) -> None:
    """What the cuts do to one set."""
    p = chance(x, beta)
    best = max(f1(p, relevant, g) for g in np.linspace(0, 1, 99))
    print(f"{name:12} kept at 0.1: {(p[relevant] > 0.1).mean():.4f}  F1 at 0.1 {f1(p, relevant, 0.1):.3f}", end="")
    print(f" at 0.35 {f1(p, relevant, 0.35):.3f} best {best:.3f}", end="")
    print(
        f"  a question: {(p > 0.1).sum() * DEPTH / len(p):.1f} above 0.1, {(p > 0.35).sum() * DEPTH / len(p):.1f} above 0.35"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-vectors", action="store_true")
    parser.add_argument("--sets", default=",".join(SETS))
    x = parser.parse_args()
    sys.path.insert(0, str(evaluation_home()))
    from eval import loaders  # noqa: PLC0415  (known only once the folder is)

    embedder = None if x.no_vectors else StaticEmbedder(StaticSettings())
    names = x.sets.split(",")
    benches = {n: await fill(n, "session", embedder, loaders) for n in names}
    own, all_x, all_y, all_w = {}, [], [], []
    for k, name in enumerate(names):
        bench = benches[name]
        queries = {s.id: list(s.queries) for s, _, _ in bench.scopes}
        for scope, _, _ in bench.scopes:
            scope.queries[:] = scope.queries[:: max(1, len(scope.queries) * len(bench.scopes) // 800)]
        fx, fy, _ = examples(bench, await gather(bench), False)
        own[name] = (fx, fy)
        other = benches[names[(k + 3) % len(names)]]
        foreign_queries = [q for s, _, _ in other.scopes for q in s.queries][:80]
        for scope, _, _ in bench.scopes:
            scope.queries[:] = foreign_queries[: max(1, 80 // len(bench.scopes))]
        nx, ny, _ = examples(bench, await gather(bench), True)
        for scope, _, _ in bench.scopes:
            scope.queries[:] = queries[scope.id]
        for a, b, share in ((fx, fy, 1.0), (nx, ny, 1.0)):
            all_x.append(a)
            all_y.append(b)
            all_w.append(np.full(len(b), share / len(b)))
    w = np.concatenate(all_w)
    beta = fit(np.concatenate(all_x), np.concatenate(all_y).astype(float), w / w.mean())
    z = [design(own[n][0]) @ beta for n in names]
    y = [own[n][1] for n in names]
    keep, best, each = cuts(z, y)
    low, high = np.log(0.1 / 0.9), np.log(0.35 / 0.65)
    scale = (high - low) / (best - keep)
    final = beta * scale
    final[0] += low - keep * scale
    print(
        "raw",
        beta.round(3),
        "98% at",
        round(keep, 3),
        "best F1 at",
        round(best, 3),
        dict(zip(names, each, strict=True)),
    )
    print("constants", ", ".join(f"{v:.4f}" for v in final))
    for n in names:
        report(n, own[n][0], own[n][1], final)
    for a, n in zip(all_x[1::2], names, strict=True):
        p = chance(a, final)
        above = [(p > cut).sum() * DEPTH / len(p) for cut in (0.1, 0.35)]
        print(f"foreign queries in {n:12} a question: {above[0]:.1f} above 0.1, {above[1]:.2f} above 0.35")


if __name__ == "__main__":
    asyncio.run(main())
