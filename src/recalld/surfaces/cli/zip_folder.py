"""A folder on its way to a server: chosen as every import is, and zipped into a temporary file."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from recalld.adapters.source.opening import open_source
from recalld.domain.choice import Choice
from recalld.domain.errors import Invalid
from recalld.domain.policy import UPLOAD_BYTES_MAX, ZIP_ENTRIES_MAX
from recalld.ports.source import Found, Skipped, Source

UNWANTED = frozenset({"not included", "excluded"})
"""Reasons that the caller chose: the server gets the patterns instead."""


@dataclass(slots=True)
class Packed:
    """What was put into a zip: how many ``files`` of how many ``bytes``, and what was ``skipped`` with the reason, in a few
    words. ``incomplete``: what could not be read though it is there ("" = nothing)."""

    zip: Path
    files: int = 0
    bytes: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    incomplete: str = ""

    @property
    def left_out(self) -> list[str]:
        """Paths that are at the source and were not sent, but for what its owner does not want."""
        return [path for path, why in self.skipped if why not in UNWANTED]

    def skip(self, entry: Skipped) -> None:
        """Note what is not sent."""
        self.skipped.append((entry.path, entry.why))
        if entry.error and not self.incomplete:
            self.incomplete = f"{entry.path}: {entry.why}"


@contextmanager
def packed(
    root: Path,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    found: Callable[[int, int], None] = lambda files, size: None,
) -> Iterator[Packed]:
    """Zip a folder; the zip is deleted on leaving. ``found`` is called with the number of files and their bytes before the
    first is packed, and may raise.

    ``include`` and ``exclude`` are patterns as in ``.gitignore`` files, which count too. Raises ``Invalid`` if nothing
    is left or it is too large.
    """
    source = open_source(root, Choice(root.name, tuple(include), tuple(exclude)))
    try:
        listing = list(source.entries())
        files = [entry for entry in listing if isinstance(entry, Found)]
        _check_listing(root, files, [entry for entry in listing if isinstance(entry, Skipped)])
        found(len(files), sum(entry.size for entry in files))
        with tempfile.NamedTemporaryFile(prefix="recalld-", suffix=".zip", delete=False) as file:
            result = Packed(Path(file.name))
            try:
                for entry in listing:
                    if isinstance(entry, Skipped):
                        result.skip(entry)
                _fill(file, source, files, result)
                file.flush()
                _check(root, result)
                yield result
            finally:
                result.zip.unlink(missing_ok=True)
    finally:
        source.close()


def _fill(file: IO[bytes], source: Source, files: Sequence[Found], result: Packed) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for entry in files:
            data = source.read(entry.path)
            if data is None:
                result.skip(Skipped(entry.path, "vanished meanwhile, or cannot be read", error=True))
                continue
            archive.writestr(entry.path, data)
            result.files += 1
            result.bytes += len(data)


def check_file(local: Path, include: Sequence[str], exclude: Sequence[str]) -> None:
    """Refuse a single file that an import would leave out before it is sent. A zip is judged by the server."""
    if not local.is_file() or local.suffix.lower() == ".zip":
        return
    source = open_source(local, Choice(local.name, tuple(include), tuple(exclude)))
    try:
        entry = next(source.entries())
    finally:
        source.close()
    if isinstance(entry, Skipped):
        raise Invalid(f"{local}: {entry.why}", remedy=f"to import it all the same, name it: --include '{local.name}'")


def _check_listing(root: Path, files: Sequence[Found], skipped: Sequence[Skipped]) -> None:
    if not files:
        why = "; ".join(f"{s.path}: {s.why}" for s in skipped[:5])
        raise Invalid(
            f"{root} holds nothing to import" + (f" ({why})" if why else ""),
            remedy="see .gitignore, --include and --exclude",
        )
    if len(files) > ZIP_ENTRIES_MAX:
        raise Invalid(f"{root} holds {len(files):,} files, over {ZIP_ENTRIES_MAX:,}", remedy="add its parts one by one")


def _check(root: Path, result: Packed) -> None:
    if not result.files:
        raise Invalid(f"nothing in {root} can be read", remedy="check who may read its files")
    size = result.zip.stat().st_size
    if size > UPLOAD_BYTES_MAX:
        raise Invalid(f"{root} packs to {size} bytes, over {UPLOAD_BYTES_MAX}", remedy="add its parts one by one")
