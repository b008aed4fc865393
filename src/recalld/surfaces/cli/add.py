"""``recalld add``: a folder, a file or a zip into the tree."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from recalld.domain.errors import Invalid

from .folder import packed
from .forecast import forecast, tell
from .options import Call, talks
from .render import say
from .task import require_completed
from .wait import upload, watch_task

app = typer.Typer()
SHOWN_MAX = 4


@app.command(
    epilog="""
Examples:

recalld add ./docs --wait

recalld add manual.html --parent viking://resources/manuals

recalld add ./docs --estimate

recalld add ./service --to viking://resources/service --exclude "tests/**" --include "*.py"
"""
)
@talks
def add(
    call: Call,
    path: Annotated[str, typer.Argument(help="A folder, a file or a zip on this machine.")],
    to: Annotated[str, typer.Option(help="Exactly this address.")] = "",
    parent: Annotated[str, typer.Option("--parent", "-p", help="Below this directory, under its own name.")] = "",
    create_parent: Annotated[bool, typer.Option("--create-parent", help="Make the parent if it is missing.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until all of it is searchable.")] = False,
    include: Annotated[list[str] | None, typer.Option(help="Only paths that match (as in .gitignore).")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Not the paths that match (as in .gitignore).")] = None,
    tags: Annotated[list[str] | None, typer.Option(help="k=v for everything imported.")] = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only tell what a language model would cost.")] = False,
) -> None:
    """Import documents and source code; adding them again updates what changed."""
    place: dict[str, Any] = {"to": to, "parent": parent, "create_parent": create_parent, "tags": tags or ()}
    skipped: Sequence[tuple[str, str]] = ()
    if estimate:
        _estimate(call, Path(path).expanduser(), include or (), exclude or ())
        return
    if "://" in path:
        done = call.client.add(path=path, **place)
    else:
        local = Path(path).expanduser()
        place["origin"] = _origin(local)
        if local.is_dir():
            done, skipped = _add_folder(call, local, include or (), exclude or (), place)
        else:
            done = _send(call, local, local.name, {**place, "include": include or (), "exclude": exclude or ()})
    if wait and done.get("task_id"):
        task = watch_task(call, str(done["task_id"]), f"importing {path}")
        require_completed(task)
        done = {**done, **(task.get("result") or {})}
        call.client.wait()  # abstracts and vectors follow the texts
    call.answer(done, lambda: _show(done, skipped, wait=wait), skipped=[{"path": p, "why": w} for p, w in skipped])


def _add_folder(
    call: Call, folder: Path, include: Sequence[str], exclude: Sequence[str], place: dict[str, Any]
) -> tuple[dict[str, Any], Sequence[tuple[str, str]]]:
    with packed(folder, include=include, exclude=exclude) as pack:
        return _send(call, pack.zip, f"{folder.resolve().name}.zip", place), pack.skipped


def _estimate(call: Call, local: Path, include: Sequence[str], exclude: Sequence[str]) -> None:
    _check_there(local)
    if local.is_dir():
        with packed(local, include=include, exclude=exclude) as pack:
            found = forecast(call, pack.zip, local.name)
    else:
        found = forecast(call, local, local.name)
    none = "no language model is configured: this import costs nothing"
    call.answer(found or {"tokens": 0}, lambda: tell(found) if found is not None else say(none))


def _check_there(local: Path) -> None:
    if not local.exists():
        raise Invalid(f"there is no file or folder {local}", remedy="check the path")


def _origin(local: Path) -> str:
    """What tells this folder or file from others of its name: adding it again updates what it made."""
    return f"{socket.gethostname()}:{local.resolve()}"


def _send(call: Call, file: Path, name: str, place: dict[str, Any]) -> dict[str, Any]:
    _check_there(file)
    found = forecast(call, file, name)
    if found is not None:
        tell(found)
    sent = upload(call, file, f"sending {name}")
    return call.client.add(temp_file_id=sent, name=name, **place)


def _show(done: dict[str, Any], skipped: Sequence[tuple[str, str]], *, wait: bool) -> None:
    say(f"{'added' if wait else 'adding'} {done.get('root_uri')}" + ("" if wait else f"  (task {done.get('task_id')})"))
    for warning in done.get("warnings") or done.get("errors") or []:
        say(f"  note: {warning}")
    for why, paths in _by_reason(skipped).items():
        more = f" and {len(paths) - SHOWN_MAX} more" if len(paths) > SHOWN_MAX else ""
        say(f"  left out ({why}): {', '.join(paths[:SHOWN_MAX])}{more}")


def _by_reason(skipped: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for path, why in skipped:
        reasons.setdefault(why, []).append(path)
    return reasons
