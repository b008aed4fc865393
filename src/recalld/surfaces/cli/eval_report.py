"""The report of ``recalld eval``: one HTML page without scripts or addresses of others, plots as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1b1b1f, #e8e8ea); --mark: light-dark(#2457c5, #8ab0ff);
  --faint: light-dark(#d9d9de, #3a3a40); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .25rem .75rem .25rem 0;
  border-bottom: 1px solid var(--faint); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .9em; overflow-wrap: anywhere; } .lost { color: light-dark(#a3231f, #ff9a94); }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } details { margin: .15rem 0; }
"""
_BAR, _LINE, _LEFT, _SCALE = 14, 24, 130, 420


def report(result: Mapping[str, Any], former: Mapping[str, Any] | None) -> str:
    """Return the page of a run. ``former``: the run it is compared with. All texts are escaped."""
    before = (former or {}).get("metrics", {})
    ranks = [case["rank"] for case in result["cases"]]
    places = [("first", ranks.count(1))]
    places += [(f"{low} to {high}", sum(low <= rank <= high for rank in ranks)) for low, high in ((2, 3), (4, 10))]
    places += [("below", sum(rank > 10 for rank in ranks)), ("not found", ranks.count(0))]
    title = escape(f"Recall: {result['name']}")
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{_STYLE}</style>
<h1>{title}</h1>
<p>{result["questions"]} questions, {result["limit"]} hits each, {escape(result["at"])}, median {result["median_ms"]:.0f} ms.</p>
<h2>Metrics</h2>
{_metrics_plot(result["metrics"], before)}
<h2>Rank of the first right answer</h2>
{_bars(places, max(result["questions"], 1))}
{_tags(result["tags"])}
{_changes(result["changed"])}
<h2>Questions</h2>
{"".join(map(_case, sorted(result["cases"], key=lambda case: -(case["rank"] or 1_000))))}
</html>
"""


def _metrics_plot(metrics: Mapping[str, Sequence[float]], before: Mapping[str, Sequence[float]]) -> str:
    rows = []
    for number, (name, (value, low, high)) in enumerate(metrics.items()):
        y = number * _LINE
        former = before.get(name)
        mark = (
            f'<line x1="{_x(former[0])}" x2="{_x(former[0])}" y1="{y + 2}" y2="{y + 20}" stroke="var(--ink)"/>'
            if former
            else ""
        )
        rows.append(
            f'<text x="0" y="{y + 15}">{escape(name)}</text>'
            f'<rect x="{_LEFT}" y="{y + 4}" width="{value * _SCALE:.1f}" height="{_BAR}" fill="var(--mark)"/>'
            f'<line x1="{_x(low)}" x2="{_x(high)}" y1="{y + 11}" y2="{y + 11}" stroke="var(--ink)" stroke-width="2"/>{mark}'
            f'<text x="{_LEFT + _SCALE + 10}" y="{y + 15}">{value:.3f} ({low:.3f} to {high:.3f})</text>'
        )
    what = (
        "Bars: the mean; lines: its 95% interval; strokes: the last run."
        if before
        else "Bars: the mean; lines: its 95% interval."
    )
    return _svg(rows, len(metrics)) + f"<p>{what}</p>"


def _bars(counts: Sequence[tuple[str, int]], most: int) -> str:
    rows = [
        f'<text x="0" y="{k * _LINE + 15}">{escape(name)}</text>'
        f'<rect x="{_LEFT}" y="{k * _LINE + 4}" width="{count / most * _SCALE:.1f}" height="{_BAR}" fill="var(--mark)"/>'
        f'<text x="{_LEFT + _SCALE + 10}" y="{k * _LINE + 15}">{count}</text>'
        for k, (name, count) in enumerate(counts)
    ]
    return _svg(rows, len(counts))


def _svg(rows: Sequence[str], lines: int) -> str:
    width = _LEFT + _SCALE + 190
    return f'<svg viewBox="0 0 {width} {lines * _LINE}" width="{width}" role="img">{"".join(rows)}</svg>'


def _x(value: float) -> str:
    return f"{_LEFT + value * _SCALE:.1f}"


def _tags(tags: Mapping[str, Mapping[str, float]]) -> str:
    if not tags:
        return ""
    names = [name for name in next(iter(tags.values())) if name != "questions"]
    head = "".join(f'<th class="number">{escape(name)}</th>' for name in ("questions", *names))
    rows = "".join(
        f'<tr><td>{escape(tag)}</td><td class="number">{group["questions"]}</td>'
        + "".join(f'<td class="number">{group[name]:.3f}</td>' for name in names)
        + "</tr>"
        for tag, group in tags.items()
    )
    return f"<h2>Tags</h2><table><tr><th>tag</th>{head}</tr>{rows}</table>"


def _changes(changed: Sequence[Mapping[str, Any]]) -> str:
    if not changed:
        return ""
    rows = "".join(
        f'<tr><td>{escape(one["id"])}</td><td class="number">{one["before"] or "–"}</td>'
        f'<td class="number">{one["now"] or "–"}</td></tr>'
        for one in changed
    )
    head = '<tr><th>question</th><th class="number">rank before</th><th class="number">rank now</th></tr>'
    return f"<h2>Changed since the last run</h2><table>{head}{rows}</table>"


def _case(case: Mapping[str, Any]) -> str:
    place = f"rank {case['rank']}" if case["rank"] else '<span class="lost">not found</span>'
    found = "".join(f"<li><code>{escape(uri)}</code></li>" for uri in case["found"])
    expected = ", ".join(f"<code>{escape(uri)}</code>" for uri in case["expect"])
    return f"<details><summary>{place} · {escape(case['question'])}</summary><p>Expected: {expected}</p><ol>{found}</ol></details>"
