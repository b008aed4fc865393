"""Trees of files as values: ids of snapshots, their contents, and differences between them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from recalld.domain.caller import Caller
from recalld.domain.errors import Denied, Invalid
from recalld.domain.snapshot import Change, ChangeType, Files, Snapshot
from recalld.domain.uri import SCHEME, Uri

from .address import resolve
from .ovgitignore import ignoring

MESSAGE_CHARS_MAX = 10_000
WORD_CHARS_MAX = 256
PATHS_MAX = 256
OID_CHARS_MIN = 4
_OID = re.compile(r"[0-9a-f]{4,40}")
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,127}")
_UNTRACKED_AREAS = frozenset({"sessions", "privacy"})


def oid_of(account: str, snapshot: Snapshot) -> str:
    """Return the sha1 id of a snapshot, over all its fields, each length-prefixed."""
    s = snapshot
    parts = (account, s.branch, str(s.seq), repr(s.at), s.parent, s.message, s.author.name, s.author.email, s.tree)
    return _named("snapshot", (*parts, s.ignore, *s.paths))


def tree_oid(files: Files) -> str:
    """Return the sha1 id of a tree, over paths and contents only."""
    return _named("tree", (f"{path}\n{files[path].hash}" for path in sorted(files)))


def _named(what: str, parts: Iterable[str]) -> str:
    digest = hashlib.sha1(what.encode(), usedforsecurity=False)
    for part in parts:
        data = part.encode()
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()


def tracked(parts: Sequence[str], caller: Caller) -> bool:
    """True if snapshots show a path to this caller: resources, agent files and the users it may see, without sessions
    (whose messages are immutable), private values and the store's control files."""
    if parts and parts[-1].startswith(".watch_tasks"):
        return False
    if len(parts) < 2 or parts[0] != "user":
        return True
    if not caller.sees_all and parts[1] != caller.user:
        return False
    if caller.hides(tuple(parts)):
        return False
    return len(parts) < 3 or parts[2] not in _UNTRACKED_AREAS


def place(text: str, caller: Caller, now: float) -> Uri:
    """Parse an address: a URI, or a path from the account's root. Raises ``Invalid`` and ``Denied``."""
    if not text.strip():
        raise Invalid(
            "the path is empty", remedy="name a file, such as viking://resources/a.md", details={"field": "path"}
        )
    uri = resolve(text if "://" in text else SCHEME + text.lstrip("/"), caller, now)
    if uri.parts[:1] == ("user",) and len(uri.parts) > 1 and not tracked(uri.parts[:2], caller):
        raise Denied(
            f"{uri} belongs to another user", remedy="use viking://~ for your own tree", details={"uri": str(uri)}
        )
    return uri


def path_of(uri: Uri) -> str:
    """Return an address as a path from the account's root."""
    return "/".join(uri.parts)


def uri_of(path: str) -> str:
    """Return a path from the account's root as an address."""
    return SCHEME + path


def within(path: str, tops: Sequence[str]) -> bool:
    """True if a path is one of ``tops`` or below one; no tops = everywhere."""
    return not tops or any(not top or path == top or path.startswith(f"{top}/") for top in tops)


def merged(before: Files, state: Files, snapshot: Snapshot) -> Files:
    """Return a snapshot's files. ``before``: its parent's files; ``state``: all files at its log position."""
    ignored = ignoring(snapshot.ignore)
    untouched = {p: v for p, v in before.items() if not within(p, snapshot.paths)} if snapshot.paths else {}
    return untouched | {p: v for p, v in state.items() if within(p, snapshot.paths) and not ignored(p)}


def changes(before: Files, after: Files) -> list[Change]:
    """Return every path whose content differs, in path order."""
    found = (Change(p, before.get(p), after.get(p)) for p in sorted(before.keys() | after.keys()))
    return [change for change in found if change.type is not ChangeType.UNCHANGED]


def is_oid(text: str) -> bool:
    """True if a reference may be an oid or a prefix of one."""
    return _OID.fullmatch(text) is not None


def check_branch(name: str) -> str:
    """Return a branch name unchanged. Raises ``Invalid``."""
    if not _BRANCH.fullmatch(name) or ".." in name or "//" in name or name.endswith("/"):
        raise Invalid(
            f"branch {name[:60]!r} is not a valid name",
            remedy="use letters, digits and _ . - / , up to 128 characters",
            details={"field": "branch"},
        )
    return name


def check_words(text: str, field: str, chars_max: int, *, lines: bool = False) -> str:
    """Return a message, name or address for the log, stripped of blanks. Raises ``Invalid``."""
    stripped = text.strip()
    if not stripped or len(stripped) > chars_max:
        raise Invalid(f"{field} has {len(stripped)} characters", remedy=f"1 to {chars_max}", details={"field": field})
    if any(not c.isprintable() and not (lines and c in "\n\t\r") for c in stripped):
        raise Invalid(f"{field} holds control characters", remedy="leave them out", details={"field": field})
    return stripped
