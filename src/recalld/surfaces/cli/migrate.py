"""``recalld import-openviking``: a workspace of OpenViking, from its pack, its data folder or its server, into this store."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from recalld.adapters.archive.zip import ZipArchives
from recalld.domain.errors import Invalid
from recalld.domain.pack import PackRoot
from recalld.domain.policy import UPLOAD_BYTES_MAX
from recalld.domain.uri import SCOPES, Uri
from recalld.rules.pack_format import BACKUP, MANIFEST, META, read_manifest, root_folder
from recalld.surfaces.client import Client
from recalld.usecases.pack.export import PackWriter

from .migrate_sources import MigrationPack, pack_folder, pack_server
from .options import Call, with_client
from .packs import check_pack, show_imported, upload_pack
from .render import note

app = typer.Typer()
LEFT_OUT_SHOWN = 20


@app.command(
    "import-openviking",
    epilog="""
Examples:

recalld import-openviking ./openviking-backup.ovpack

recalld import-openviking ./data --from-account acme

recalld import-openviking http://localhost:1944 --api-key KEY --on-conflict overwrite
""",
)
@with_client
def import_openviking(
    call: Call,
    source: Annotated[str, typer.Argument(help="A pack, a data folder, or a server's address.")],
    api_key: Annotated[str, typer.Option(help="Key for that server (OPENVIKING_API_KEY).", show_default=False)] = "",
    from_account: Annotated[str, typer.Option(help="Account to import, if there are several.")] = "",
    from_user: Annotated[str, typer.Option(help="User on that server (if it has no keys).")] = "",
    only: Annotated[list[str] | None, typer.Option(help="Only resources, user or agent; may be repeated.")] = None,
    on_conflict: Annotated[str, typer.Option(help="What to do with existing files: fail, overwrite or skip.")] = "fail",
) -> None:
    """Import a workspace of OpenViking: files, summaries, memories, skills, sessions."""
    scopes = _scopes(only or [])
    if source.startswith(("http://", "https://")):
        key = api_key or os.environ.get("OPENVIKING_API_KEY", "")
        with _pack() as (pack, file), Client(source, user=from_user, account=from_account, api_key=key) as there:
            pack_server(there, scopes, pack)
            done = _send(call, pack, file, on_conflict)
    else:
        path = Path(source).expanduser()
        if path.is_dir():
            with _pack() as (pack, file):
                pack_folder(path, from_account, scopes, pack)
                done = _send(call, pack, file, on_conflict)
        else:
            done = _send_any_pack(call, path, on_conflict)
    call.answer(done, _show)


def _scopes(only: list[str]) -> list[str]:
    for one in only:
        if one not in SCOPES:
            raise Invalid(f"--only {one[:40]} is no scope", remedy=f"one of {', '.join(sorted(SCOPES))}")
    return sorted(only or SCOPES)


@contextmanager
def _pack() -> Iterator[tuple[MigrationPack, Path]]:
    with tempfile.TemporaryDirectory(prefix="recalld-") as folder:
        file = Path(folder) / f"{BACKUP}.ovpack"
        writer = ZipArchives().create(file)
        try:
            yield MigrationPack(PackWriter(PackRoot(BACKUP, Uri()), writer)), file
        finally:
            writer.abandon()


def _send(call: Call, pack: MigrationPack, file: Path, on_conflict: str) -> dict[str, Any]:
    files = sum(1 for entry in pack.maker.entries if not entry.is_dir)
    if not files:
        why = f" ({pack.left_out[0]})" if pack.left_out else ""
        raise Invalid(f"there is nothing to import{why}", remedy="check the source, the account and --only")
    size = pack.maker.close()
    if size > UPLOAD_BYTES_MAX:
        raise Invalid(
            f"it packs to {size} bytes, over {UPLOAD_BYTES_MAX}", remedy="import it scope by scope with --only"
        )
    done = upload_pack(call, file, "restore", {"on_conflict": on_conflict})
    return {**done, "not_read": pack.left_out, "read": files}


def _send_any_pack(call: Call, path: Path, on_conflict: str) -> dict[str, Any]:
    """A backup is restored; any other pack goes back to where it was taken from."""
    check_pack(path)
    reader = ZipArchives().open(path)
    try:
        folder = root_folder(reader.sizes())
        manifest = read_manifest(b"".join(reader.slices(f"{folder}/{META}/{MANIFEST}")), folder)
    finally:
        reader.close()
    body: dict[str, Any] = {"on_conflict": on_conflict}
    if manifest.is_backup:
        return upload_pack(call, path, "restore", body)
    uri = manifest.root.uri
    parent = uri if len(uri.parts) == 1 else uri.parent
    return upload_pack(call, path, "import", {**body, "parent": str(parent)})


def _show(done: dict[str, Any]) -> None:
    show_imported(done)
    not_read = done.get("not_read") or []
    for one in not_read[:LEFT_OUT_SHOWN]:
        note(f"  not read: {one}")
    if len(not_read) > LEFT_OUT_SHOWN:
        note(f"  and {len(not_read) - LEFT_OUT_SHOWN} more (all of them with --json)")
