"""Requests and results of packs and downloads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recalld.surfaces.http.models.envelope import Model, Strict

OnConflict = Literal["fail", "overwrite", "skip"]
VectorMode = Literal["auto", "recompute", "require"]


class DownloadQuery(Model):
    """What is fetched: by address, or by a token that stands for one."""

    uri: str | None = None
    token: str | None = Field(None, description="a single-use token instead of an address and a key")


class ExportBody(Strict):
    """A directory to pack."""

    uri: str
    include_vectors: bool = False


class BackupBody(Strict):
    """How an account is packed."""

    include_vectors: bool = False


class RestoreBody(Strict):
    """An uploaded backup."""

    temp_file_id: str
    on_conflict: OnConflict | None = Field(None, description="fail by default")
    vector_mode: VectorMode | None = Field(None, description="auto by default")


class ImportBody(RestoreBody):
    """An uploaded pack and the directory it goes below."""

    parent: str


class BroughtResult(Model):
    """What was brought, and what of the pack has no place here."""

    uri: str
    files: int
    kept: int = Field(description="files that were there and stayed")
    directories: int
    sessions: int
    messages: int = Field(description="new ones")
    left_out: list[str]
    left_out_total: int
