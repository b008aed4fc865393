"""``recalld eval``: asks questions with expected addresses and tells how well recall answers them."""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from recalld.domain.errors import Invalid, NotFound
from recalld.rules.encoding import settings_text
from recalld.rules.evaluation import (
    Case,
    Metric,
    Outcome,
    Suite,
    by_tag,
    changes,
    judge,
    metrics,
    missed,
    parse_floor,
    parse_suite,
)

from .eval_report import report
from .exit_codes import RUNTIME
from .options import Call, with_client
from .render import echo, hits_of, note, show_table
from .wait import watched

app = typer.Typer()
_BARS = "recalld.surfaces.cli.progress"
RUNS = ".recalld-eval"
"""The folder beside a suite that holds its last run."""
SHOWN_MAX = 20


@app.command(
    name="eval",
    epilog="""
Examples:

recalld eval questions.yaml --below viking://resources/docs

recalld eval questions.yaml --html report.html

recalld eval questions.yaml --floor hit@3=0.6 --floor mrr=0.5    (for CI: exit code 1 below a floor)
""",
)
@with_client
def evaluate(
    call: Call,
    suite: Annotated[Path, typer.Argument(help="YAML file of cases: id, question, expect, tags.")],
    below: Annotated[
        str, typer.Option(help="Address that is searched, and that relative expectations start from.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="Hits of each question.")] = 10,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Only cases with this tag (repeatable).")] = None,
    floor: Annotated[
        list[str] | None, typer.Option("--floor", help="METRIC=NUMBER: exit with 1 below it (repeatable).")
    ] = None,
    against: Annotated[Path | None, typer.Option(help="Run to compare with, instead of the last one.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report to this file.")] = None,
    save: Annotated[bool, typer.Option("--save/--no-save", help="Keep this run as the last one.")] = True,
) -> None:
    """Ask the questions of a file and measure how well recall finds the addresses they expect."""
    chosen = parse_suite(_text_of(suite), below=below)
    floors = {**chosen.floors, **dict(parse_floor(one) for one in floor or ())}
    cases = [case for case in chosen.cases if not tag or {*tag} & {*case.tags}]
    if not cases:
        raise Invalid(f"no case has the tag {', '.join(tag or ())}", remedy="leave out --tag")
    former = _former(against or _last(suite), required=against is not None)
    outcomes = list(_ask(call, chosen, cases, limit))
    measured = metrics(outcomes, limit)
    result = _result(chosen.name or suite.stem, outcomes, measured, limit)
    result["changed"] = [
        {"id": name, "before": before, "now": now} for name, before, now in changes(_ranks(former), outcomes)
    ]
    result["missed"] = missed(measured, floors)
    if html is not None:
        html.write_text(report(result, former), encoding="utf-8")
    if save and not tag:
        _save(_last(suite), result)
    call.answer(result, lambda _: _show(result, outcomes, measured, former, limit))
    if result["missed"]:
        raise typer.Exit(RUNTIME)


def _ask(call: Call, suite: Suite, cases: Sequence[Case], limit: int) -> Iterator[Outcome]:
    bar = (
        importlib.import_module(_BARS).count_bar("questions", len(cases))
        if watched(call)
        else nullcontext(lambda: None)
    )
    with bar as advance:
        for case in cases:
            begun = time.perf_counter()
            reply = call.client.find(case.question, target_uri=suite.below, limit=limit, score_threshold=0.0)
            ms = (reply.server_s or time.perf_counter() - begun) * 1e3
            uris = [hit["uri"] for hit in hits_of(reply.result)]
            yield judge(case, uris, ms=ms, degraded=reply.degraded)
            advance()


def _result(name: str, outcomes: Sequence[Outcome], measured: dict[str, Metric], limit: int) -> dict[str, Any]:
    times = sorted(one.ms for one in outcomes)
    return {
        "name": name,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "limit": limit,
        "questions": len(outcomes),
        "metrics": {name: [value.value, value.low, value.high] for name, value in measured.items()},
        "tags": {
            tag: {"questions": count, **{name: value.value for name, value in group.items()}}
            for tag, (count, group) in by_tag(outcomes, limit).items()
        },
        "median_ms": times[len(times) // 2],
        "degraded": sum(bool(one.degraded) for one in outcomes),
        "cases": [
            {
                "id": one.case.id,
                "question": one.case.question,
                "expect": one.case.expect,
                "rank": one.rank,
                "ranks": one.ranks,
                "found": one.found,
                "degraded": one.degraded,
            }
            for one in outcomes
        ],
    }


def _show(
    result: dict[str, Any],
    outcomes: Sequence[Outcome],
    measured: dict[str, Metric],
    former: dict[str, Any] | None,
    limit: int,
) -> None:
    before = (former or {}).get("metrics", {})
    rows = [
        (name, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}", *_difference(one.value, before.get(name)))
        for name, one in measured.items()
    ]
    show_table(["metric", "value", "95% interval", "last run"] if before else ["metric", "value", "95% interval"], rows)
    if result["tags"]:
        columns = ["hit@3", f"recall@{limit}", "mrr"] if limit >= 3 else [f"recall@{limit}", "mrr"]
        echo("")
        show_table(
            ["tag", "questions", *columns],
            [
                (tag, group["questions"], *(f"{group[name]:.3f}" for name in columns))
                for tag, group in result["tags"].items()
            ],
        )
    _show_cases("changed since the last run", [_change_words(one) for one in result["changed"]])
    lost = [f"{one.case.id}: {one.case.question}" for one in outcomes if not one.rank]
    _show_cases(f"not found among {limit} hits", lost)
    if result["degraded"]:
        note(f"{result['degraded']} of {len(outcomes)} answers were degraded: compare with care")
    for sentence in result["missed"]:
        note(f"below its floor: {sentence}")


def _show_cases(title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    echo(f"\n{title} ({len(lines)}):", "bold")
    for line in lines[:SHOWN_MAX]:
        echo(f"  {line}")
    if len(lines) > SHOWN_MAX:
        echo(f"  and {len(lines) - SHOWN_MAX} more: --json or --html tells all")


def _difference(now: float, before: Sequence[float] | None) -> tuple[str, ...]:
    return () if before is None else (f"{now - before[0]:+.3f}",)


def _change_words(change: dict[str, Any]) -> str:
    before, now = (f"rank {change[key]}" if change[key] else "not found" for key in ("before", "now"))
    return f"{change['id']}: {before} → {now}"


def _text_of(path: Path) -> str:
    try:
        return settings_text(path.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist", remedy="name a YAML file of questions") from None
    except IsADirectoryError:
        raise Invalid(f"{path} is a directory", remedy="name a YAML file of questions") from None


def _last(suite: Path) -> Path:
    return suite.resolve().parent / RUNS / f"{suite.stem}.json"


def _former(path: Path, *, required: bool) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {**found, "cases": [{"id": case["id"], "rank": int(case["rank"])} for case in found["cases"]]}
    except FileNotFoundError:
        if required:
            raise NotFound(f"{path} does not exist", remedy="name a run that --json or an earlier eval wrote") from None
    except (ValueError, KeyError, TypeError) as odd:
        if required:
            raise Invalid(f"{path} is no run of recalld eval: {odd!r}", remedy="name another file") from None
        note(f"{path} is no run of recalld eval: it is not compared")
    return None


def _ranks(former: dict[str, Any] | None) -> dict[str, int]:
    return {case["id"]: case["rank"] for case in former["cases"]} if former else {}


def _save(path: Path, result: dict[str, Any]) -> None:
    partial = path.with_suffix(".part")
    try:
        path.parent.mkdir(exist_ok=True)
        partial.write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")
        os.replace(partial, path)
    except OSError as refused:
        note(f"the run was not kept: {refused}")
