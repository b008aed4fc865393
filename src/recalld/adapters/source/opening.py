"""Which source a path is: a folder, a zip archive or one file."""

from __future__ import annotations

from pathlib import Path

from recalld.domain.choice import Choice
from recalld.domain.errors import NotFound
from recalld.ports.source import Source
from recalld.rules.media import suffix_of

from .archive import ZipSource
from .file import FileSource
from .folder import FolderSource
from .selection import SourceSettings


def open_source(path: Path, choice: Choice) -> Source:
    """Open what lies at ``path``; ``choice.name`` is what its owner calls it ("" = the path's own name).

    A name that ends in ``.zip`` is unpacked, any other file (a ``.docx`` too) is one document. Raises ``NotFound`` when
    nothing is there, ``Invalid`` for a hostile archive or bad patterns.
    """
    settings = SourceSettings(path, choice)
    if path.is_dir():
        return FolderSource(settings)
    if not path.exists():
        raise NotFound(f"{path} is not there", remedy="check the path")
    return ZipSource(settings) if suffix_of(choice.name or path.name) == ".zip" else FileSource(settings)
