"""Commands for packs and files: export, import, backup, restore, get."""

from __future__ import annotations

import importlib
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from recalld.domain.errors import Conflict, Invalid, Upstream

from .options import Call, with_client
from .render import echo, note, size_words
from .wait import upload, watched

app = typer.Typer()
AT = "/api/v1/pack"
FOREVER = float("inf")
VectorsOption = Annotated[bool, typer.Option("--include-vectors", help="Include vectors (they can be recomputed).")]
ForceOption = Annotated[bool, typer.Option("--force", "-f", help="Replace an existing file.")]
ConflictOption = Annotated[str, typer.Option(help="What to do with existing files: fail, overwrite or skip.")]
VectorModeOption = Annotated[str, typer.Option(help="auto, recompute or require.")]
PackArgument = Annotated[str, typer.Argument(help="A pack on this machine (.ovpack).")]


@app.command(epilog="Example: recalld export viking://resources/docs docs.ovpack")
@with_client
def export(
    call: Call,
    uri: Annotated[str, typer.Argument(help="The directory to export.")],
    file: Annotated[str, typer.Argument(help="The pack to write, or a folder to put it in.")],
    include_vectors: VectorsOption = False,
    force: ForceOption = False,
) -> None:
    """Export a directory as one file: texts, tags, summaries, sessions."""
    target = _target(file, uri.rstrip("/").rsplit("/", 1)[-1] + ".ovpack", force)
    _save(call, "POST", f"{AT}/export", target, {"uri": uri, "include_vectors": include_vectors})
    _saved(call, uri, target)


@app.command(epilog="Example: recalld backup monday.ovpack")
@with_client
def backup(
    call: Call,
    file: Annotated[str, typer.Argument(help="The backup to write, or a folder to put it in.")],
    include_vectors: VectorsOption = False,
    force: ForceOption = False,
) -> None:
    """Back up the account: every user's tree and sessions, in one file."""
    target = _target(file, "openviking-backup.ovpack", force)
    _save(call, "POST", f"{AT}/backup", target, {"include_vectors": include_vectors})
    _saved(call, "viking://", target)


@app.command("import", epilog="Example: recalld import docs.ovpack viking://resources")
@with_client
def import_(
    call: Call,
    file: PackArgument,
    target: Annotated[str, typer.Argument(help="The directory to import into.")],
    on_conflict: ConflictOption = "fail",
    vector_mode: VectorModeOption = "auto",
) -> None:
    """Import a pack into a directory. It is verified before anything is changed."""
    body = {"parent": target, "on_conflict": on_conflict, "vector_mode": vector_mode}
    call.answer(upload_pack(call, Path(file).expanduser(), "import", body), show_imported)


@app.command(epilog="Example: recalld restore monday.ovpack --on-conflict overwrite")
@with_client
def restore(
    call: Call,
    file: PackArgument,
    on_conflict: ConflictOption = "fail",
    vector_mode: VectorModeOption = "auto",
) -> None:
    """Restore a backup, every user's tree to that user."""
    body = {"on_conflict": on_conflict, "vector_mode": vector_mode}
    call.answer(upload_pack(call, Path(file).expanduser(), "restore", body), show_imported)


@app.command(epilog="Example: recalld get viking://resources/docs/plan.pdf ./plan.pdf")
@with_client
def get(
    call: Call,
    uri: Annotated[str, typer.Argument(help="The file to fetch.")],
    local: Annotated[str, typer.Argument(help="Where to write it, or a folder to put it in.")],
    force: ForceOption = False,
) -> None:
    """Download one file as it is stored."""
    target = _target(local, uri.split("?")[0].rstrip("/").rsplit("/", 1)[-1], force)
    _save(call, "GET", "/api/v1/content/download", target, None, {"uri": uri})
    _saved(call, uri, target)


def upload_pack(call: Call, pack: Path, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    """Upload a pack, and import or restore it (``verb``)."""
    check_pack(pack)
    sent = upload(call, pack, f"sending {pack.name}")
    answer = call.client.call("POST", f"{AT}/{verb}", body={"temp_file_id": sent, **body}, timeout_s=FOREVER)
    return dict(answer.result)


def check_pack(pack: Path) -> None:
    """Raise ``Invalid`` for a file that is not a pack, before it is sent."""
    if not pack.is_file():
        raise Invalid(f"there is no file {pack}", remedy="check the path")
    try:
        whole = zipfile.is_zipfile(pack)
    except OSError as unreadable:
        raise Invalid(f"{pack} cannot be read: {unreadable.strerror}", remedy="check the path") from unreadable
    if not whole:
        raise Invalid(
            f"{pack} is not a pack, or was cut short",
            remedy="give an .ovpack that recalld export or backup has written",
        )


def show_imported(done: dict[str, Any]) -> None:
    """Print what an import did, and what it left out."""
    unchanged = f", {done['kept']} unchanged" if done.get("kept") else ""
    sessions = f", {done['sessions']} sessions with {done['messages']} new messages" if done.get("sessions") else ""
    echo(f"imported {done.get('files', '?')} files to {done['uri']}{unchanged}{sessions}")
    left_out = done.get("left_out") or []
    for one in left_out:
        note(f"  left out: {one}")
    more = int(done.get("left_out_total") or 0) - len(left_out)
    if more > 0:
        note(f"  and {more} more")


def _target(path_text: str, name: str, force: bool) -> Path:
    path = Path(path_text).expanduser()
    if path.is_dir():
        path = path / (Path(name).name or "download")
    if path.exists() and not force:
        raise Conflict(f"{path} is there already", remedy="choose another name, or add --force")
    return path


def _saved(call: Call, uri: str, target: Path) -> None:
    size = target.stat().st_size
    call.answer(
        {"uri": uri, "file": str(target), "bytes": size}, lambda _: echo(f"{uri} -> {target} ({size_words(size)})")
    )


def _save(
    call: Call, method: str, path: str, target: Path, body: dict[str, Any] | None, params: dict[str, Any] | None = None
) -> None:
    """Write a download. The file gets its name when it is complete."""
    bar = (
        importlib.import_module("recalld.surfaces.cli.progress").upload_bar(target.name)
        if watched(call)
        else nullcontext()
    )
    with _whole(target) as file, bar as progress:
        call.client.save(method, path, file, params=params, body=body, progress=progress)


@contextmanager
def _whole(target: Path) -> Iterator[BinaryIO]:
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            yield file
        part.replace(target)
    except OSError as refused:
        raise Upstream(
            f"{target} cannot be written: {refused.strerror or refused}", remedy="check path and space"
        ) from refused
    finally:
        part.unlink(missing_ok=True)
