"""``recalld task``: background work."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from recalld.domain.errors import Closed, Upstream

from .exit_codes import INTERRUPTED
from .import_summary import show_import
from .options import Call, with_client
from .render import echo, note, show_facts, show_table
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
