"""Which files of a source an import takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a source is wanted: globs to include and exclude, directory names to pass over; ``name`` is what a single
    file is called. ``unwrap``: an archive whose only folder at the top has the archive's name is read as that folder."""

    name: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ignore_dirs: tuple[str, ...] = ()
    unwrap: bool = False
