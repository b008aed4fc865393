"""Requests and results of packs and downloads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recalld.surfaces.http.models.envelope import Model, Strict

OnConflict = Literal["fail", "overwrite", "skip"]
VectorMode = Literal["auto", "recompute", "require"]


class DownloadQuery(Model):
    """The file to download: an address, or a token that stands for one."""

    uri: str | None = None
    token: str | None = Field(None, description="a single-use token instead of an address and a key")


class ExportBody(Strict):
    """A directory to export."""

    uri: str
    include_vectors: bool = False


class BackupBody(Strict):
    """How to back up an account."""

    include_vectors: bool = False


class RestoreBody(Strict):
    """An uploaded backup."""

    temp_file_id: str
    on_conflict: OnConflict | None = Field(None, description="fail by default")
    vector_mode: VectorMode | None = Field(None, description="auto by default")


class ImportBody(RestoreBody):
    """An uploaded pack, and the directory to import it into."""

    parent: str


class ImportedResult(Model):
    """What was imported, and what was left out."""

    uri: str
    files: int
    kept: int = Field(description="existing files that were not replaced")
    directories: int
    sessions: int
    messages: int = Field(description="new messages")
    left_out: list[str]
    left_out_total: int
