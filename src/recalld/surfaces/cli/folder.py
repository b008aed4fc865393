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
from recalld.domain.errors import Invalid
from recalld.domain.policy import UPLOAD_BYTES_MAX, ZIP_ENTRIES_MAX
from recalld.ports.source import Choice, Skipped


@dataclass(slots=True)
class Packed:
    """What was put into a zip: how many ``files``, and what was ``skipped`` with the reason, in a few words."""

    zip: Path
    files: int = 0
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

    ``include`` and ``exclude`` are patterns as in ``.gitignore`` files, which count too. Raises ``Invalid`` if nothing
    is left or it is too large.
    """
    with tempfile.NamedTemporaryFile(prefix="recalld-", suffix=".zip", delete=False) as file:
        result = Packed(Path(file.name))
        try:
            _fill(file, root, Choice(root.name, tuple(include), tuple(exclude)), result, seen)
            file.flush()
            _check(root, result)
            yield result
        finally:
            result.zip.unlink(missing_ok=True)


def _fill(file: IO[bytes], root: Path, choice: Choice, result: Packed, seen: Callable[[int], None]) -> None:
    source = open_source(root, choice)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for entry in source.entries():
            if isinstance(entry, Skipped):
                result.skipped.append((entry.path, entry.why))
                continue
            data = source.read(entry.path)
            if data is None:
                result.skipped.append((entry.path, "vanished meanwhile"))
                continue
            archive.writestr(entry.path, data)
            result.files += 1
            seen(result.files)
            if result.files > ZIP_ENTRIES_MAX:
                raise Invalid(f"{root} holds more than {ZIP_ENTRIES_MAX} files", remedy="add its parts one by one")
    source.close()


def _check(root: Path, result: Packed) -> None:
    if not result.files:
        raise Invalid(f"{root} holds nothing to import", remedy="see .gitignore, --include and --exclude")
    size = result.zip.stat().st_size
    if size > UPLOAD_BYTES_MAX:
        raise Invalid(f"{root} packs to {size} bytes, over {UPLOAD_BYTES_MAX}", remedy="add its parts one by one")
