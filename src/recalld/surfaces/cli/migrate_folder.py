"""A workspace's data folder, packed: ``local/{account}/{scope}/...`` as its files lie there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from recalld.domain.errors import Invalid
from recalld.domain.policy import UPLOAD_BYTES_MAX
from recalld.domain.uri import SCOPES
from recalld.rules.openviking_json import iso

from .migration_pack import MigrationPack


def pack_folder(folder: Path, account: str, scopes: Sequence[str], pack: MigrationPack) -> None:
    """Pack one account's scopes. Raises ``Invalid`` where no account, or more than one, is found."""
    home = _home(folder, account)
    for other in sorted(p.name for p in home.iterdir() if p.is_dir() and p.name not in SCOPES):
        pack.leave(other, "not a scope that is imported")
    for scope in scopes:
        if (home / scope).is_dir():
            for path, is_dir in _walk(home / scope, home, pack):
                _take(path, is_dir, home, pack)


def _home(folder: Path, account: str) -> Path:
    """Where the account's scopes lie: in the folder itself, or below ``local`` in it."""
    if any((folder / scope).is_dir() for scope in SCOPES) and not account:
        return folder
    found: dict[str, Path] = {}
    for local in (folder / "local", *sorted(folder.glob("*/local")), folder):
        if local.is_dir():
            for one in sorted(p for p in local.iterdir() if p.is_dir() and not p.name.startswith("_")):
                if any((one / scope).is_dir() for scope in SCOPES):
                    found.setdefault(one.name, one)
    chosen = {name: path for name, path in found.items() if account in {"", name}}
    if len(chosen) == 1:
        return next(iter(chosen.values()))
    if not chosen:
        raise Invalid(
            f"{folder} holds no account{f' {account}' if account else ''} of a workspace",
            remedy="give the folder that holds local/{account}, or a pack, or the server's address",
        )
    raise Invalid(f"{folder} holds several accounts: {', '.join(sorted(chosen))}", remedy="choose with --from-account")


def _walk(top: Path, home: Path, pack: MigrationPack) -> Iterator[tuple[Path, bool]]:
    yield top, True
    for at, folders, files in os.walk(top, onerror=lambda bad: pack.leave(str(bad.filename), "cannot be read")):
        folders.sort()
        for name in list(folders):
            path = Path(at, name)
            if path.is_symlink():
                pack.leave(path.relative_to(home).as_posix(), "a link")
                folders.remove(name)
            else:
                yield path, True
        for name in sorted(files):
            yield Path(at, name), False


def _take(path: Path, is_dir: bool, home: Path, pack: MigrationPack) -> None:
    rel = path.relative_to(home).as_posix()
    if not _is_text(rel):
        pack.leave(rel.encode("utf-8", "backslashreplace").decode(), "its name is no UTF-8")
    elif is_dir:
        if pack.fits(rel):
            pack.maker.directory(rel)
    elif (read := _read(path, rel, pack)) is not None and pack.fits(rel):
        data, changed = read
        pack.file(rel, data, {"name": path.name, "updated_at": iso(changed)})


def _is_text(name: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in name)


def _read(path: Path, rel: str, pack: MigrationPack) -> tuple[bytes, float] | None:
    """A file's bytes and when they changed; None if it is none."""
    try:
        state = path.lstat()
        if not stat.S_ISREG(state.st_mode) or state.st_size > UPLOAD_BYTES_MAX:
            pack.leave(rel, "a link" if path.is_symlink() else "no regular file, or too large")
            return None
        return path.read_bytes(), state.st_mtime
    except OSError as bad:
        pack.leave(rel, bad.strerror or "cannot be read")
        return None
