"""``recalld add``: import a folder, a file or a zip."""

from __future__ import annotations

import socket
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.policy import LEFT_OUT_MAX
from recalld.rules.costs import estimate
from recalld.rules.media import size_words

from .options import Call, with_client
from .render import echo, note
from .task import require_completed, show_import, show_left_out, show_notes, watch_import
from .wait import upload
from .zip_folder import Packed, check_file, packed

app = typer.Typer()
FILES_UNASKED_MAX = 5_000
BYTES_UNASKED_MAX = 500_000_000
FILES_QUIET_MAX = 500


@app.command(
    epilog="""
Examples:

recalld add ./docs --wait

recalld add manual.html --parent viking://resources/manuals

recalld add ./docs --estimate

recalld add ./service --to viking://resources/service --exclude "tests/**" --include "*.py"
"""
)
@with_client
def add(
    call: Call,
    path: Annotated[str, typer.Argument(help="A folder, a file or a zip on this machine.")],
    to: Annotated[str, typer.Option(help="The exact address.")] = "",
    parent: Annotated[str, typer.Option("--parent", "-p", help="The directory to import into.")] = "",
    create_parent: Annotated[bool, typer.Option("--create-parent", help="Create a missing parent.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until everything is searchable.")] = False,
    include: Annotated[
        list[str] | None,
        typer.Option(
            help="Import only matching paths (as in .gitignore). Credentials are imported only if this names them."
        ),
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Skip matching paths (as in .gitignore).")] = None,
    tags: Annotated[list[str] | None, typer.Option(help="Tags (key=value) of everything imported.")] = None,
    keep_removed: Annotated[
        bool, typer.Option("--keep-removed", help="Keep files that are no longer in the source.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List every file that is kept or skipped.")] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only print the estimated cost of a language model.")
    ] = False,
) -> None:
    """Import documents and source code. Importing a folder again updates changed files and removes missing ones."""
    place: dict[str, Any] = {"to": to, "parent": parent, "create_parent": create_parent, "tags": tags or ()}
    if estimate:
        _estimate(call, Path(path).expanduser(), include or (), exclude or ())
        return
    skipped: Sequence[tuple[str, str]] = ()
    if "://" in path:
        done = call.client.add(path=path, **place)
    else:
        local = Path(path).expanduser()
        # The identity of a folder or file: importing it again updates the earlier import.
        place |= {
            "origin": f"{socket.gethostname()}:{local.resolve()}",
            "include": include or (),
            "exclude": exclude or (),
        }
        place |= {"keep_removed": keep_removed, "confirm_removals": yes}
        if local.is_dir():
            done, skipped = _add_folder(call, local, place, yes=yes)
        else:
            as_file = not to and local.suffix.lower() != ".zip"
            check_file(local, include or (), exclude or ())
            done = _send(call, local, local.name, {**place, "as_file": as_file})
    if wait and done.get("task_id"):
        task = watch_import(call, str(done["task_id"]), f"importing {path}")
        require_completed(task)
        done = {**done, **(task.get("result") or {}), "vectors": call.client.vectors()}
    call.answer(
        done,
        lambda _: _show(done, skipped, wait=wait, verbose=verbose),
        skipped=[{"path": p, "why": w} for p, w in skipped],
    )


def _add_folder(
    call: Call, folder: Path, place: dict[str, Any], *, yes: bool
) -> tuple[dict[str, Any], Sequence[tuple[str, str]]]:
    name = folder.resolve().name or "root"

    def found(files: int, size: int) -> None:
        much = f"{folder} holds {files:,} files ({size_words(size)})"
        if files > FILES_UNASKED_MAX or size > BYTES_UNASKED_MAX:
            _ask(call, f"{much}. Import all of them?", yes=yes)
        if files > FILES_QUIET_MAX and not call.as_json:
            note(f"packing {files:,} files ({size_words(size)})")

    with packed(folder, include=place["include"], exclude=place["exclude"], found=found) as pack:
        return _send(call, pack.zip, name, {**place, **_pack_fields(pack)}), pack.skipped


def _pack_fields(pack: Packed) -> dict[str, Any]:
    """What is in the source but not sent, so that the server does not remove it."""
    left_out, incomplete = pack.left_out, pack.incomplete
    if len(left_out) > LEFT_OUT_MAX:
        left_out, incomplete = [], incomplete or f"{len(pack.left_out)} paths are left out, too many to name"
    return {"left_out": left_out, "incomplete": incomplete}


def _ask(call: Call, question: str, *, yes: bool) -> None:
    """Ask for confirmation on a terminal; elsewhere continue. A no ends the command."""
    if not yes and asks(call) and not typer.confirm(question, err=True):
        note("nothing was imported")
        raise typer.Exit(1)


def asks(call: Call) -> bool:
    """Whether a question can be answered."""
    return not call.as_json and sys.stdin.isatty() and sys.stderr.isatty()


def _estimate(call: Call, local: Path, include: Sequence[str], exclude: Sequence[str]) -> None:
    _check_there(local)
    if local.is_dir():
        with packed(local, include=include, exclude=exclude) as pack:
            found = estimated_cost(call, pack.zip, local.name)
    else:
        found = estimated_cost(call, local, local.name)
    none = "no language model is configured: this import costs nothing"
    call.answer(found or {"tokens": 0}, lambda _: show_cost(found) if found is not None else echo(none))


def _check_there(local: Path) -> None:
    if not local.exists():
        raise Invalid(f"there is no file or folder {local}", remedy="check the path")


def _send(call: Call, file: Path, name: str, place: dict[str, Any]) -> dict[str, Any]:
    _check_there(file)
    found = estimated_cost(call, file, name)
    if found is not None:
        show_cost(found)
    sent = upload(call, file, f"sending {name}")
    try:
        return call.client.add(temp_file_id=sent, name=name, **place)
    except Conflict as refused:
        if refused.details.get("conflict_type") != "removal" or not asks(call):
            raise
        gone, of = refused.details.get("would_remove"), refused.details.get("files")
        first = ", ".join(str(one) for one in list(refused.details.get("first") or [])[:4])  # type: ignore[call-overload]
        _ask(call, f"{gone} of the {of} files imported from here are gone ({first}, ...). Remove them?", yes=False)
        return call.client.add(temp_file_id=sent, name=name, **{**place, "confirm_removals": True})


def _show(done: dict[str, Any], skipped: Sequence[tuple[str, str]], *, wait: bool, verbose: bool) -> None:
    if wait:
        show_import(done, skipped, verbose=verbose)
        return
    task = done.get("task_id")
    echo(f"adding {done.get('root_uri')}  (follow: recalld task wait {task}  stop: recalld task cancel {task})")
    show_notes(done.get("warnings") or done.get("errors") or [], {}, verbose=verbose)
    show_left_out(skipped, verbose=verbose)


def estimated_cost(call: Call, file: Path, name: str) -> dict[str, Any] | None:
    """The estimate for a file or zip beside today's budget; None where no language model is configured."""
    try:
        budget = call.client.usage(1)["model"]
    except NotFound:
        return None  # an older server, without this route
    if not budget["provider"]:
        return None
    found = estimate(_sizes(file, name))
    left = max(0, budget["tokens_per_day_max"] - budget["tokens_today"])
    planned = min(found.tokens, budget["tokens_per_import_max"])
    return {
        **asdict(found),
        "provider": budget["provider"],
        "tokens_left_today": left,
        "tokens_per_day_max": budget["tokens_per_day_max"],
        "tokens_per_import_max": budget["tokens_per_import_max"],
        "calls_per_import_max": budget["calls_per_import_max"],
        "share_of_day": round(planned / max(1, budget["tokens_per_day_max"]), 4),
    }


def show_cost(found: dict[str, Any]) -> None:
    """In a line or two, beside the answer."""
    note(
        f"{found['provider']}: about {found['tokens']:,} tokens in {found['calls']:,} calls for {found['files']:,} files, "
        f"{found['share_of_day']:.0%} of a day's budget; {found['tokens_left_today']:,} are left today"
    )
    if found["tokens"] > found["tokens_per_import_max"] or found["calls"] > found["calls_per_import_max"]:
        note(
            f"an import plans at most {found['tokens_per_import_max']:,} tokens and {found['calls_per_import_max']:,} calls: "
            "further files keep extractive abstracts"
        )


def _sizes(file: Path, name: str) -> list[tuple[str, int]]:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return [(entry.filename, entry.file_size) for entry in archive.infolist() if not entry.is_dir()]
    return [(name, file.stat().st_size)]
