"""Snapshots: named places in an account's log, and the files that lay there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Author:
    """Who made a snapshot, in that person's own words."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A named place in the log.

    ``oid``: sha1 in hex over everything else here and the account; ``seq``: the log entry up to which the past counts;
    ``at`` in epoch seconds; ``parent``: the snapshot before it on its branch ("" for the first); ``tree`` names the files
    as its maker saw them. ``paths``: what it speaks of (paths from the account's root; () = everything): all else stays
    as in its parent. ``ignore``: the account's ``.ovgitignore`` as it was then.
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
    """What a file held at some place in the log: its node and the sha256 of its bytes in hex."""

    node: int
    hash: str


Files = dict[str, Version]
"""Files by their path from the account's root, such as ``resources/docs/page.md``."""


class ChangeType(StrEnum):
    """How a file differs between two trees; the wire's words."""

    ADDED = "added"
    DELETED = "deleted"
    MODIFIED = "modified"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """One path in two trees; None where it is not."""

    path: str
    before: Version | None
    after: Version | None

    @property
    def type(self) -> ChangeType:
        """How it differs."""
        if self.before is None:
            return ChangeType.ADDED
        if self.after is None:
            return ChangeType.DELETED
        return ChangeType.UNCHANGED if self.before.hash == self.after.hash else ChangeType.MODIFIED


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a snapshot commit did: ``snapshot`` is the new one or, if nothing had ``changed``, the head (None: there is
    none). ``ignored`` counts living files that were left out."""

    snapshot: Snapshot | None
    created: bool
    changed: int
    ignored: int


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What has to happen for the tree to be as it was: changes whose ``after`` is wanted, and paths that stay."""

    source: Snapshot
    head: Snapshot | None
    write: tuple[Change, ...]
    delete: tuple[Change, ...]
    unchanged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did; ``snapshot`` None: nothing was to be done, or it was only tried."""

    plan: RestorePlan
    snapshot: Snapshot | None
