"""Constants of ``rules/calibration_params`` from development data, and what they do to a set they were not fitted on.

    RECALLD_EVAL_DATA=/path/to/folder python -m bench.calibrate [--sets locomo,beam-100K]

Fits the chance that a ranked entry is relevant and the chance that a question has an answer. Each set counts the same.
Questions of other conversations and of other sets ("foreign") have no answer. One line per set says what happens to it
when it is left out of the fit.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bench.recall_lab import SETS, Bench, embedders_of, evaluation_home, fill, gather
from recalld.rules.rank import best_per_entry, rank
from recalld.rules.ranking_params import DEFAULT

DEPTH = 20
QUESTIONS_MAX = 800
FOREIGN = {"metatool": "locomo", "bfcl": "cranfield", "cosqa": "bfcl", "cranfield": "cosqa", "drcd": "cranfield"}
FOREIGN_WEIGHT = 0.25
MODELS = {"vectors": (("static", "minilm"), ("static",)), "words": ((),)}
WRONG_PERSON = "adversarial"


@dataclass
class Examples:
    """Of the questions of a set: features of the ranked entries and whether they are relevant; features of each question's
    best row; the lead of named persons."""

    entries: list[np.ndarray] = field(default_factory=list)
    relevant: list[np.ndarray] = field(default_factory=list)
    questions: list[list[float]] = field(default_factory=list)
    leads: list[float] = field(default_factory=list)

    def add(self, bench: Bench, found: tuple[Any, ...], models: tuple[str, ...], gold: set[str]) -> None:
        query, _, table, evidence = found
        chosen = tuple(one for one in evidence.similarities if one.model in models)
        ranked = rank(query.text, table, replace(evidence, similarities=chosen), DEFAULT)
        best = best_per_entry(table.entry, ranked.total, DEPTH)
        whole = [float(np.sqrt(max(ranked.coverage, 0.0))), ranked.closeness or 0.0]
        columns = [np.ones(len(best)), ranked.total[best], np.log1p(np.arange(len(best)))]
        self.entries.append(np.column_stack([*columns, *(np.full(len(best), value) for value in whole)]))
        self.relevant.append(np.array([bench.item_of[n] in gold for n in table.node[best].tolist()], float))
        self.questions.append([1.0, *whole])
        if ranked.lead is not None:
            self.leads.append(ranked.lead)


def fit(features: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted logistic regression by Newton's method, lightly ridged."""
    beta = np.zeros(features.shape[1])
    for _ in range(60):
        p = chance(features @ beta)
        slope = (features * (weight * p * (1 - p))[:, None]).T @ features + 1e-2 * np.eye(len(beta))
        step = np.linalg.solve(slope, features.T @ (weight * (target - p)) - 1e-2 * beta)
        beta = beta + step
        if np.abs(step).max() < 1e-7:
            break
    return beta


def fit_sets(parts: list[tuple[np.ndarray, np.ndarray, float]]) -> np.ndarray:
    """Fit over (features, target, weight of the whole part)."""
    weight = np.concatenate([np.full(len(y), 2_000 * share / len(y)) for _, y, share in parts])
    return fit(np.concatenate([x for x, _, _ in parts]), np.concatenate([y for _, y, _ in parts]), weight)


def chance(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))


def calibration_error(p: np.ndarray, y: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error over bins of equal size."""
    at = np.minimum(np.argsort(np.argsort(p)) * bins // len(p), bins - 1)
    return float(sum(abs(p[at == k].mean() - y[at == k].mean()) * (at == k).mean() for k in range(bins)))


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the chance that a positive one ranks above a negative one; ties count half."""
    less = np.searchsorted(np.sort(negative), positive, "left") + np.searchsorted(np.sort(negative), positive, "right")
    return float(less.mean() / (2 * len(negative)))


async def examples_of(name: str, embedders: Any, loaders: Any) -> dict[tuple[str, str], Examples]:
    """Examples by models and kind of question: own, foreign, wrong (about the wrong person)."""
    bench = await fill(name, "session", embedders, loaders)
    found: dict[tuple[str, str], Examples] = {}

    async def take(kind: str) -> None:
        for one in await gather(bench):
            gold = set(one[0].gold) if kind == "own" else set()
            for mode, several in MODELS.items():
                for models in several:
                    found.setdefault((mode, kind), Examples()).add(bench, one, models, gold)

    queries = [list(scope.queries) for scope, _, _ in bench.scopes]
    main = [[q for q in own if bench.main is None or q.category in bench.main] for own in queries]
    step = max(1, sum(map(len, main)) // QUESTIONS_MAX)
    for (scope, _, _), own in zip(bench.scopes, main, strict=True):
        scope.queries[:] = own[::step]
    await take("own")
    if any(q.category == WRONG_PERSON for own in queries for q in own):
        for (scope, _, _), own in zip(bench.scopes, queries, strict=True):
            scope.queries[:] = [q for q in own if q.category == WRONG_PERSON]
        await take("wrong")
    rng = random.Random(5)
    for k, (scope, _, _) in enumerate(bench.scopes):
        other = [q for i, own in enumerate(main) if i != k for q in own]
        if name in FOREIGN:
            other = [q for each in loaders.load(FOREIGN[name], "dev").scopes for q in each.queries]
        scope.queries[:] = rng.sample(other, min(len(other), 100 if name in FOREIGN else 40))
    await take("foreign")
    return found


def parts_of(sets: dict[str, Any], mode: str, left_out: str = "") -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Entries of all sets but one, for ``fit_sets``."""
    return [
        (np.concatenate(e.entries), np.concatenate(e.relevant), share)
        for name, found in sets.items()
        if name != left_out
        for e, share in ((found[mode, "own"], 1.0), (found[mode, "foreign"], FOREIGN_WEIGHT))
    ]


def answers_of(sets: dict[str, Any], mode: str, left_out: str = "") -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Questions of all sets but one, for ``fit_sets``."""
    return [
        (np.array(found[mode, kind].questions), np.full(len(found[mode, kind].questions), target), 1.0)
        for name, found in sets.items()
        if name != left_out
        for kind, target in (("own", 1.0), ("foreign", 0.0))
    ]


def print_left_out(sets: dict[str, Any], mode: str) -> None:
    """What the fit without a set does to it."""
    for name, found in sets.items():
        own, foreign = found[mode, "own"], found[mode, "foreign"]
        x, y = np.concatenate(own.entries), np.concatenate(own.relevant)
        p = chance(x @ fit_sets(parts_of(sets, mode, name)))
        beta = fit_sets(answers_of(sets, mode, name))
        answered = auroc(np.array(own.questions) @ beta, np.array(foreign.questions) @ beta)
        print(
            f"{mode:8} {name:10} left out: calibration error {calibration_error(p, y):.3f}  "
            f"AUROC of an entry {auroc(p[y > 0], p[y == 0]):.3f}, of an answer {answered:.3f}"
        )


def knots_of(sets: dict[str, Any], mode: str, beta: np.ndarray) -> tuple[float, float]:
    """The chance above which 98% of the relevant entries lie, and 97% on each set, and that of the best mean F1."""
    pairs = [
        (chance(np.concatenate(found[mode, "own"].entries) @ beta), np.concatenate(found[mode, "own"].relevant) > 0)
        for found in sets.values()
    ]
    spread = np.concatenate([np.quantile(p[y], np.linspace(0, 1, 201)) for p, y in pairs])
    keep = min(np.quantile(spread, 0.02), *(np.quantile(p[y], 0.03) for p, y in pairs))
    grid = np.linspace(0.02, 0.8, 157)
    f1 = np.mean([[2 * (y & (p > g)).sum() / max((p > g).sum() + y.sum(), 1) for g in grid] for p, y in pairs], axis=0)
    return float(keep), float(grid[f1.argmax()])


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS))
    x = parser.parse_args()
    sys.path.insert(0, str(evaluation_home()))
    from eval import loaders  # noqa: PLC0415  (known only once the folder is)

    embedders = embedders_of("static,minilm")
    sets = {name: await examples_of(name, embedders, loaders) for name in x.sets.split(",")}
    for mode in MODELS:
        print_left_out(sets, mode)
        beta = fit_sets(parts_of(sets, mode))
        constants = (*beta, *knots_of(sets, mode, beta))
        # The coefficient of the place is printed negative: the rule subtracts it.
        print(f"{mode:8} entry", ", ".join(f"{v * (-1 if k == 2 else 1):.4f}" for k, v in enumerate(constants)))
        print(f"{mode:8} answer", ", ".join(f"{v:.4f}" for v in fit_sets(answers_of(sets, mode))))
    for name, found in sets.items():
        if ("vectors", "wrong") in found:
            own, wrong = (np.array(found["vectors", kind].leads) for kind in ("own", "wrong"))
            parts = [
                (np.column_stack([np.ones(len(v)), v]), np.full(len(v), t), 1.0) for v, t in ((own, 1.0), (wrong, 0.0))
            ]
            constants = ", ".join(f"{v:.4f}" for v in fit_sets(parts))
            print(f"person   {constants}  AUROC {auroc(own, wrong):.3f} on {name}, {len(wrong)} questions")


if __name__ == "__main__":
    asyncio.run(main())
