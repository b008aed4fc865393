"""Snapshots: named positions in an account's log, and their files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a snapshot, as given by the caller."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A named log position.

    ``oid``: sha1 in hex over the account and all other fields; ``seq``: the last log entry it includes; ``at`` in epoch
    seconds; ``parent``: the previous snapshot of its branch ("" for the first); ``tree``: id of the files visible to
    its author. ``paths``: the paths it covers (from the account's root; () = all); other files are those of its parent.
    ``ignore``: the account's ``.ovgitignore`` at that time.
    """

    oid: str
    branch: str
    seq: int
    at: float
    parent: str
    message: str
    author: Author
    tree: str = ""
    paths: tuple[str, ...] = ()
    ignore: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A file's content at a log position: its node and the sha256 of its bytes in hex."""

    node: int
    hash: str


Files = dict[str, Version]
"""Files by their path from the account's root, such as ``resources/docs/page.md``."""


class ChangeType(StrEnum):
    """How a file differs between two trees, in the API's words."""

    ADDED = "added"
    DELETED = "deleted"
    MODIFIED = "modified"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """One path in two trees; None where it does not exist."""

    path: str
    before: Version | None
    after: Version | None

    @property
    def type(self) -> ChangeType:
        """The type of the difference."""
        if self.before is None:
            return ChangeType.ADDED
        if self.after is None:
            return ChangeType.DELETED
        return ChangeType.UNCHANGED if self.before.hash == self.after.hash else ChangeType.MODIFIED


@dataclass(frozen=True, slots=True)
class Recorded:
    """The result of a snapshot commit: the new snapshot or, if nothing has ``changed``, the head (None: there is none).
    ``ignored``: number of living files left out."""

    snapshot: Snapshot | None
    created: bool
    changed: int
    ignored: int


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """Changes that restore the tree (their ``after`` is the target), and paths that stay."""

    source: Snapshot
    head: Snapshot | None
    write: tuple[Change, ...]
    delete: tuple[Change, ...]
    unchanged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore; ``snapshot`` None: nothing to do, or a dry run."""

    plan: RestorePlan
    snapshot: Snapshot | None
