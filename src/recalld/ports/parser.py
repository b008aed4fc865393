"""Bytes to documents."""

from __future__ import annotations

from typing import Protocol

from recalld.domain.document import Document


class Parser(Protocol):
    """One family of formats. ``suffixes``: lower-case file endings it takes, with the dot; ``names``: whole file names."""

    suffixes: tuple[str, ...]
    names: tuple[str, ...]

    def parse(self, name: str, data: bytes) -> Document:
        """Parse synchronously: callers run it where computing may happen (never on a loop). Total: bytes it cannot read
        become a document that says so in ``warnings``, never an exception."""
