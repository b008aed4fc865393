"""Tools that show changes and undo them."""

from __future__ import annotations

from recalld.domain.history import MoveBack, RemoveCreated, RestoreRemoved, Retag, Step, WriteBack
from recalld.rules.openviking_json import iso
from recalld.rules.snapshots import uri_of

from . import arguments as args
from .tool_context import ToolContext

SHOWN = 50


async def history(context: ToolContext, params: args.History) -> str:
    """List the versions of a file, or without uri the latest changes. Use it before undo or restore."""
    if params.uri:
        versions = await context.workspace.history.versions(params.uri, before=params.before, limit=params.limit + 1)
        more = versions[params.limit - 1].seq if len(versions) > params.limit else 0
        versions = versions[: params.limit]
        lines = [f"{v.seq}  {iso(v.at)}  {v.actor}  {v.op}  {v.size} bytes" for v in versions]
        head = f"Versions of {params.uri}, newest first (number, time, user, change):"
        return "\n".join([head, *lines, *_more(more)])
    page = await context.workspace.history.log(before=params.before, limit=params.limit)
    lines = [f"{e.commit}  {iso(e.at)}  {e.actor}  {e.op}  {e.uri}" for e in page.entries]
    return "\n".join(["Changes, newest first (number, time, user, change, address):", *lines, *_more(page.next)])


def _more(before: int) -> list[str]:
    return [f"[there are more: continue with before={before}]"] if before else []


async def undo(context: ToolContext, params: args.Undo) -> str:
    """Undo a change by its number (seq) or cause; by default this user's last one. dry_run only shows the plan."""
    done = await context.workspace.history.undo(seq=params.seq or 0, cause=params.cause, dry_run=params.dry_run)
    lines = [_line(step) for step in done.plan.steps[:SHOWN]]
    if len(done.plan.steps) > SHOWN:
        lines.append(f"and {len(done.plan.steps) - SHOWN} more")
    lines += [f"kept {one.uri}: {one.reason}" for one in done.plan.skipped[:SHOWN]]
    head = "Would be done:" if params.dry_run else f"Undone (undo the cause {done.cause} to have it back):"
    return "\n".join([head, *lines])


def _line(step: Step) -> str:
    match step:
        case WriteBack():
            return f"wrote {step.uri} as it was"
        case RemoveCreated():
            return f"removed {step.uri}"
        case RestoreRemoved():
            return f"restored {step.uri}"
        case MoveBack():
            return f"moved {step.uri} back to {step.to}"
        case Retag():
            return f"gave {step.uri} its former tags"


async def restore(context: ToolContext, params: args.Restore) -> str:
    """Restore a file, or all files below a directory, as of an age (10m), a time, or a number of its history."""
    done = await context.workspace.history.restore(params.uri, params.at)
    lines = [f"wrote {uri_of(one.path)}" for one in done.write] + [f"removed {uri_of(one.path)}" for one in done.delete]
    if not lines:
        return f"{params.uri} is as it was then."
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join([f"Restored {params.uri}:", *lines[:SHOWN], *more])
