"""``recalld task``: background work, and the summary of an import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from recalld.domain.errors import Closed, Upstream

from .exit_codes import INTERRUPTED
from .options import Call, with_client
from .render import echo, note, show_facts, show_table, vectors_words
from .wait import watch_task, watch_vectors

app = typer.Typer(help="List, follow and cancel background work.")
IdArgument = Annotated[str, typer.Argument(help="The task id.")]


@app.command()
@with_client
def show(call: Call, task_id: IdArgument) -> None:
    """Show one task."""
    call.answer(call.client.tasks.get(task_id), show_facts)


@app.command("list")
@with_client
def list_(
    call: Call,
    kind: Annotated[str, typer.Option("--type", help="add_resource, session_commit, ...")] = "",
    status: Annotated[str, typer.Option(help="pending, running, completed, failed or cancelled.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="At most this many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Skip this many of the newest.")] = 0,
) -> None:
    """List tasks, newest first."""
    tasks = call.client.tasks.list(type=kind, status=status, limit=limit, offset=offset)
    rows = [
        (t["task_id"], t["task_type"], t["status"], t.get("stage") or "", t.get("resource_id") or "") for t in tasks
    ]
    columns = ("task", "type", "status", "stage", "resource")
    call.answer(tasks, lambda _: show_table(columns, rows), more=f"--offset {offset + limit}")


@app.command()
@with_client
def cancel(call: Call, task_id: IdArgument) -> None:
    """Cancel a task."""
    call.answer(
        call.client.tasks.cancel(task_id), lambda facts: echo(f"{task_id} is {facts.get('status', 'cancelling')}")
    )


@app.command()
@with_client
def wait(call: Call, task_id: IdArgument) -> None:
    """Wait until a task has ended. Fails if the task failed."""
    task = watch_import(call, task_id, "waiting")
    require_completed(task)
    imported = task.get("task_type") == "add_resource" and "unchanged" in (task.get("result") or {})
    call.answer(task, lambda _: show_import(task["result"], (), verbose=False) if imported else show_facts(task))


def watch_import(call: Call, task_id: str, title: str) -> dict[str, Any]:
    """Wait for a task, and after an import for abstracts and vectors. An interruption leaves the work running, and says so."""
    follow = f"recalld task wait {task_id}"
    try:
        task = watch_task(call, task_id, title)
        if task.get("status") == "completed" and task.get("task_type") == "add_resource":
            watch_vectors(call)
    except KeyboardInterrupt:
        note(f"\nThe work continues in the server. Follow it: {follow}  Cancel it: recalld task cancel {task_id}")
        raise typer.Exit(INTERRUPTED) from None
    except (Upstream, Closed) as lost:
        raise type(lost)(
            f"{lost.message} while task {task_id} was running",
            remedy=f"it continues when the server runs again; follow it with: {follow}",
            code=lost.code,
            details={**lost.details, "task_id": task_id},
        ) from lost
    return task


def require_completed(task: dict[str, Any]) -> None:
    """Raise ``Upstream`` for a task that failed or was cancelled."""
    if task.get("status") != "completed":
        raise Upstream(
            f"task {task.get('task_id')} {task.get('status')}: {task.get('error') or 'no reason'}",
            remedy="see the server's log, then try again",
            code="PROCESSING_ERROR",
            details={"task": task},
        )


SHOWN_MAX = 4
COUNTS = ("new", "changed", "moved", "removed", "unchanged")


def counts_of(result: Mapping[str, Any]) -> str:
    """``3 new, 1 changed, 148 unchanged``: what is not zero; "" from a server that does not count."""
    counts = [f"{result[name]:,} {name}" for name in COUNTS if result.get(name)]
    return ", ".join(counts) or ("nothing to do" if "unchanged" in result else "")


def show_import(result: Mapping[str, Any], skipped: Sequence[tuple[str, str]], *, verbose: bool) -> None:
    """The counts, what was kept against the source, what was left out and what could not be read in full."""
    counts = counts_of(result)
    echo(f"added {result.get('root_uri')}" + (f": {counts}" if counts else ""))
    conflicts = result.get("conflicts") or []
    for one in conflicts if verbose else conflicts[:SHOWN_MAX]:
        echo(f"  kept as it is here: {one['path']} ({one['reason']})")
    more = int(result.get("conflicts_total") or len(conflicts)) - (len(conflicts) if verbose else SHOWN_MAX)
    if conflicts and more > 0:
        echo(f"  and {more} more")
    named = {str(one["path"]) for one in conflicts}
    rest = [w for w in result.get("warnings") or [] if w.partition(": ")[0] not in named]
    show_notes(rest, result.get("notes") or {}, verbose=verbose)
    show_left_out(skipped, verbose=verbose)
    vectors = result.get("vectors")
    if vectors and vectors["made"] < vectors["wanted"]:
        echo(f"  vectors: {vectors_words(vectors)}; what has none is found by its words")


def show_notes(warnings: Sequence[str], totals: Mapping[str, int], *, verbose: bool) -> None:
    """Warnings by what they say: one line for a hundred pictures. ``totals``: how often each was given, where that is known."""
    if verbose:
        for warning in warnings:
            echo(f"  note: {warning}")
        return
    for what, paths in _by_kind(w.partition(": ")[::2] if ": " in w else ("", w) for w in warnings).items():
        count = max(int(totals.get(what, 0)), len(paths))
        echo(f"  note: {what}: {_some(paths, count)}" if any(paths) else f"  note: {what}")


def show_left_out(skipped: Sequence[tuple[str, str]], *, verbose: bool) -> None:
    """What was not sent, by reason."""
    for why, paths in _by_kind(skipped).items():
        shown = ", ".join(paths) if verbose else _some(paths, len(paths))
        echo(f"  left out ({why}): {shown}")


def _some(paths: Sequence[str], count: int) -> str:
    more = count - len(paths[:SHOWN_MAX])
    return ", ".join(paths[:SHOWN_MAX]) + (f" and {more:,} more" if more > 0 else "")


def _by_kind(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for path, kind in pairs:
        kinds.setdefault(kind, []).append(path)
    return kinds
