"""The one table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """``ok`` None: reported without a budget."""

    what: str
    measured: str
    floor: str = ""
    budget: str = ""
    ok: bool | None = None


def at_most(what: str, measured: float, budget: float, unit: str, floor: str = "", note: str = "") -> Row:
    """A row whose figure must not exceed its budget."""
    shown = f"{_short(measured)} {unit}" + (f" ({note})" if note else "")
    return Row(what, shown, floor, f"≤ {_short(budget)} {unit}", measured <= budget)


def at_least(what: str, measured: float, budget: float, unit: str, floor: str = "", note: str = "") -> Row:
    """A row whose figure must reach its budget."""
    shown = f"{_short(measured)} {unit}" + (f" ({note})" if note else "")
    return Row(what, shown, floor, f"≥ {_short(budget)} {unit}", measured >= budget)


def quantile(values: Sequence[float], share: float) -> float:
    """The value at ``share`` of the sorted values (0 if there are none)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def show(rows: Sequence[Row]) -> None:
    """Print it."""
    table = Table(title="recalld", show_lines=False)
    for column in ("what", "measured", "floor beside it", "budget", "ok?"):
        table.add_column(column, overflow="fold")
    for row in rows:
        mark = {True: "[green]yes[/]", False: "[bold red]NO[/]", None: ""}[row.ok]
        table.add_row(row.what, row.measured, row.floor, row.budget, mark)
    Console(width=150).print(table)


def save(rows: Sequence[Row], path: Path) -> None:
    """The same as JSON."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False), encoding="utf-8")


def missed(rows: Sequence[Row]) -> Iterator[str]:
    """What did not keep its budget."""
    return (row.what for row in rows if row.ok is False)


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
