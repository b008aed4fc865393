"""A folder on its way to a server: walked, filtered and zipped into a temporary file."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pathspec

from recalld.domain.errors import Invalid
from recalld.domain.policy import DOCUMENT_BYTES_MAX, UPLOAD_BYTES_MAX, ZIP_ENTRIES_MAX

SKIPPED_DIRS = frozenset({"node_modules", "__pycache__", "venv", "site-packages", "target", "dist", "build"})


@dataclass(slots=True)
class Packed:
    """What was put into a zip: ``files`` in path order, what was ``skipped`` with the reason, in a few words."""

    zip: Path
    files: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def packed(
    root: Path,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    seen: Callable[[int], None] = lambda files: None,
) -> Iterator[Packed]:
    """Zip a folder; the zip is deleted on leaving. ``seen`` is called with the number of files packed so far.

    Hidden entries, what ``.gitignore`` files name, links, build output and files beyond 32 MB stay out. ``include`` and
    ``exclude`` are patterns as in a ``.gitignore``. Raises ``Invalid`` if nothing is left or it is too large.
    """
    with tempfile.NamedTemporaryFile(prefix="recalld-", suffix=".zip", delete=False) as file:
        result = Packed(Path(file.name))
        try:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as archive:
                _fill(archive, root, result, _only(include, exclude), seen)
            file.flush()
            _check(root, result)
            yield result
        finally:
            result.zip.unlink(missing_ok=True)


def _fill(
    archive: zipfile.ZipFile, root: Path, result: Packed, wanted: Callable[[str], bool], seen: Callable[[int], None]
) -> None:
    for path, relative in walk(root, result.skipped):
        if not wanted(relative):
            continue
        try:
            archive.write(path, relative)
        except OSError as gone:
            # A file may vanish or be unreadable while we walk; the others are still worth importing.
            result.skipped.append((relative, gone.strerror or "unreadable"))
            continue
        result.files.append(relative)
        seen(len(result.files))
        if len(result.files) > ZIP_ENTRIES_MAX:
            raise Invalid(f"{root} holds more than {ZIP_ENTRIES_MAX} files", remedy="add its parts one by one")


def _check(root: Path, result: Packed) -> None:
    if not result.files:
        raise Invalid(f"{root} holds nothing to import", remedy="see .gitignore, --include and --exclude")
    size = result.zip.stat().st_size
    if size > UPLOAD_BYTES_MAX:
        raise Invalid(f"{root} packs to {size} bytes, over {UPLOAD_BYTES_MAX}", remedy="add its parts one by one")


def walk(root: Path, skipped: list[tuple[str, str]]) -> Iterator[tuple[Path, str]]:
    """Files below ``root`` in path order with their relative paths; what stays out is appended to ``skipped``."""
    ignores: dict[str, pathspec.GitIgnoreSpec] = {}
    for folder, dirs, names in os.walk(root):
        here = Path(folder).relative_to(root).as_posix()
        prefix = "" if here == "." else f"{here}/"
        if ".gitignore" in names:
            lines = (Path(folder) / ".gitignore").read_text(encoding="utf-8", errors="replace").splitlines()
            ignores[prefix] = pathspec.GitIgnoreSpec.from_lines(lines)
        dirs[:] = sorted(d for d in dirs if not _skip_dir(d) and not _ignored(ignores, f"{prefix}{d}/"))
        for name in sorted(names):
            relative = f"{prefix}{name}"
            if name.startswith(".") or _ignored(ignores, relative):
                continue
            path = Path(folder) / name
            why = _unfit(path)
            if why:
                skipped.append((relative, why))
            else:
                yield path, relative


def _skip_dir(name: str) -> bool:
    return name.startswith(".") or name in SKIPPED_DIRS or name.endswith(".egg-info")


def _ignored(ignores: dict[str, pathspec.GitIgnoreSpec], relative: str) -> bool:
    return any(relative.startswith(base) and spec.match_file(relative[len(base) :]) for base, spec in ignores.items())


def _unfit(path: Path) -> str:
    if path.is_symlink():
        return "a link"
    try:
        facts = path.stat()
    except OSError as gone:
        return gone.strerror or "unreadable"
    if not path.is_file():
        return "no regular file"
    return "larger than 32 MB" if facts.st_size > DOCUMENT_BYTES_MAX else ""


def _only(include: Sequence[str], exclude: Sequence[str]) -> Callable[[str], bool]:
    wanted = pathspec.GitIgnoreSpec.from_lines(include) if include else None
    unwanted = pathspec.GitIgnoreSpec.from_lines(exclude)
    return lambda relative: (wanted is None or wanted.match_file(relative)) and not unwanted.match_file(relative)
