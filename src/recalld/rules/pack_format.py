"""The pack format (ovpack version 3): builds, parses and checks the manifest, and decides where a pack may be
imported."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recalld.domain.errors import Conflict, Denied, Invalid
from recalld.domain.pack import DenseIndex, Manifest, PackEntry, PackRoot
from recalld.domain.policy import ZIP_ENTRIES_MAX
from recalld.domain.uri import DEPTH_MAX, SCOPES, Uri, clean_segments

from .address import AGENT_AREAS

KIND = "openviking.ovpack"
VERSION = 3
FILES = "files"
META = "_ovpack"
MANIFEST = "manifest.json"
RECORDS = "index_records.jsonl"
DENSE = "dense.f32"
BACKUP = "openviking-backup"
MANIFEST_BYTES_MAX = 64 * 1024 * 1024
FLOAT_BYTES = 4
_GENERATOR = "recalld"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MANIFEST_NAME = re.compile(rf"([^/]+)/{META}/{re.escape(MANIFEST)}")


def content_hash(entries: Iterable[PackEntry]) -> str:
    """Return a hash over all entries: kind, size, sha256 and path, one line each, sorted by path."""
    lines = sorted((e.path, f"{_kind(e)} {e.size} {e.sha256} {e.path}\n") for e in entries)
    return hashlib.sha256("".join(line for _, line in lines).encode()).hexdigest()


def manifest_json(manifest: Manifest) -> bytes:
    """Return the manifest as stored in the archive."""
    root = manifest.root
    index: dict[str, Any] = {
        "records": {"path": f"{META}/{RECORDS}", "count": manifest.records, "sha256": manifest.records_sha256}
    }
    if manifest.dense is not None:
        index["dense"] = {
            "path": f"{META}/{DENSE}",
            "count": manifest.dense.count,
            "dimension": manifest.dense.width,
            "dtype": "float32",
            "model": manifest.dense.fingerprint,
        }
    scope = root.uri.parts[0] if root.uri.parts else ""
    fields: dict[str, Any] = {
        "kind": KIND,
        "format_version": VERSION,
        "generator": _GENERATOR,
        "root": {"name": root.name, "uri": str(root.uri), "scope": scope},
        "entries": [_entry_json(e) for e in manifest.entries],
        "content_sha256": manifest.content_sha256,
        "index": index,
    }
    if scope == "user" and len(root.uri.parts) > 1:
        fields["root"]["user_id"] = root.uri.parts[1]
    if manifest.is_backup:
        fields["root"]["package_type"] = "backup"
        fields["scopes"] = list(manifest.scopes)
    return json.dumps(fields, ensure_ascii=False, indent=1).encode()


def _entry_json(entry: PackEntry) -> dict[str, Any]:
    shown: dict[str, Any] = {"path": entry.path, "kind": _kind(entry)}
    return shown if entry.is_dir else shown | {"size": entry.size, "sha256": entry.sha256}


def _kind(entry: PackEntry) -> str:
    return "directory" if entry.is_dir else "file"


def root_folder(names: Iterable[str]) -> str:
    """Return the single folder that contains an archive's entries, given by its manifest. Raises ``Invalid``."""
    found = [match[1] for name in names if (match := _MANIFEST_NAME.fullmatch(name))]
    if len(found) != 1:
        raise refused("it has no manifest" if not found else "it has several manifests", "is this a pack?")
    return found[0]


def read_manifest(data: bytes, folder: str) -> Manifest:
    """Parse the manifest of a pack whose entries are in ``folder``. Raises ``Invalid`` for anything but a complete
    version 3."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as bad:
        raise refused("its manifest is not JSON") from bad
    if not isinstance(fields, dict) or fields.get("kind") != KIND:
        raise refused(f"its manifest is not of kind {KIND}", "is this a pack?")
    if fields.get("format_version") != VERSION:
        found = str(fields.get("format_version"))[:20]
        raise refused(f"format_version {found} is not {VERSION}", "export it again with a newer version")
    root, listed = fields.get("root"), fields.get("entries")
    if not isinstance(root, dict) or root.get("name") != folder:
        raise refused(f"its root is not called {folder[:80]!r}, as its folder is")
    if not isinstance(listed, list) or len(listed) > ZIP_ENTRIES_MAX * 2:
        raise refused("it lists no entries, or too many")
    entries = tuple(_entry(one) for one in listed)
    check_tree(entries)
    sealed = _sha256(fields.get("content_sha256"), "content_sha256")
    ours = fields.get("generator") == _GENERATOR
    if ours and sealed != content_hash(entries):
        raise refused("content_sha256 is not that of its entries")
    records, dense = _index(fields.get("index"))
    uri = _root_uri(root.get("uri"))
    named = fields.get("scopes")
    scopes = tuple(s for s in named if isinstance(s, str)) if isinstance(named, list) and not uri.parts else ()
    return Manifest(PackRoot(folder, uri), entries, sealed, *records, dense, scopes, ours)


def _root_uri(text: object) -> Uri:
    try:
        uri = Uri.parse(str(text))
    except (Invalid, Denied) as bad:
        raise refused(f"its root's uri {str(text)[:80]!r} is none") from bad
    if uri.parts and uri.parts[0] not in SCOPES:
        raise refused(f"its root {uri} lies in no scope that can be brought")
    return uri


def _entry(fields: object) -> PackEntry:
    if not isinstance(fields, dict) or fields.get("kind") not in ("file", "directory"):
        raise refused("an entry is neither file nor directory")
    path = clean_path(fields.get("path"))
    if fields["kind"] == "directory":
        return PackEntry(path, True)
    size = fields.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise refused(f"the size of {path[:80]!r} is not a size")
    return PackEntry(path, False, size, _sha256(fields.get("sha256"), path))


def clean_path(path: object) -> str:
    """Return a relative path in its canonical form, not yet normalised to NFC. Raises ``Invalid``."""
    if not isinstance(path, str) or not path:
        raise refused("an entry has no path")
    try:
        clean = "/".join(clean_segments(path, path))
    except (Invalid, Denied) as bad:
        raise refused(f"path {path[:80]!r} leads outside or cannot be an address") from bad
    if clean != unicodedata.normalize("NFC", path) or "?" in path:
        raise refused(f"path {path[:80]!r} is not a plain relative path")
    return path


def check_tree(entries: Sequence[PackEntry]) -> None:
    """Check that no path is listed twice or below a file. Raises ``Invalid``."""
    kinds: dict[str, bool] = {}
    for entry in entries:
        path = unicodedata.normalize("NFC", entry.path)
        if path in kinds:
            raise refused(f"{entry.path[:80]!r} is listed twice")
        kinds[path] = entry.is_dir
    for path in kinds:
        above = path.rpartition("/")[0]
        while above:
            if kinds.get(above) is False:
                raise refused(f"{path[:80]!r} lies below the file {above[:80]!r}")
            above = above.rpartition("/")[0]


def _sha256(text: object, what: str) -> str:
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise refused(f"the sha256 of {what[:80]!r} is none")
    return text


def _index(fields: object) -> tuple[tuple[int, str], DenseIndex | None]:
    index = fields if isinstance(fields, Mapping) else {}
    records, dense = index.get("records"), index.get("dense")
    count, sealed = 0, ""
    if isinstance(records, Mapping):
        count, sealed = _count(records.get("count"), "records"), str(records.get("sha256") or "")
    if not isinstance(dense, Mapping):
        return (count, sealed), None
    width = dense.get("dimension") or dense.get("dim") or dense.get("width")
    rows = dense.get("count", count)
    vectors = DenseIndex(_count(rows, "dense"), _count(width, "dense"), str(dense.get("model") or "")[:512])
    return (count, sealed), vectors


def _count(found: object, what: str) -> int:
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise refused(f"the index does not count its {what}")
    return found


def check_names(manifest: Manifest, sizes: Mapping[str, int]) -> None:
    """Check that the archive contains exactly the entries of the manifest, with these sizes. Raises ``Invalid``."""
    folder = manifest.root.name
    wanted = {f"{folder}/{FILES}/{e.path}": e.size for e in manifest.entries if not e.is_dir}
    meta = {f"{folder}/{META}/{name}" for name in (MANIFEST, RECORDS, DENSE)}
    for name, size in wanted.items():
        if name not in sizes:
            raise refused(f"{name[:120]!r} is missing")
        if sizes[name] != size:
            raise refused(f"{name[:120]!r} has {sizes[name]} bytes where the manifest says {size}")
    for name in sizes:
        if name not in wanted and name not in meta:
            raise refused(f"{name[:120]!r} is not in its manifest")
    vectors = f"{folder}/{META}/{DENSE}"
    if manifest.dense is not None:
        needed = manifest.dense.count * manifest.dense.width * FLOAT_BYTES
        if sizes.get(vectors) != needed or manifest.dense.count != manifest.records:
            raise refused("its vectors are not as many as its records")


def target_of(manifest: Manifest, parent: Uri) -> Uri:
    """Return the target of a pack below ``parent``: the same scope, and in a user's tree the same depth. Raises
    ``Invalid``."""
    source = manifest.root.uri
    if manifest.is_backup:
        raise Invalid(
            "a backup is not imported below a directory", remedy="restore it", details={"field": "temp_file_id"}
        )
    target = Uri((*parent.parts, source.name))
    if parent.parts == source.parts == source.parts[:1]:
        target = parent  # the whole of a scope goes onto that scope
    alike = target.parts[:1] == source.parts[:1]
    if target.parts[:1] == ("user",):
        alike = alike and len(target.parts) == len(source.parts) and target.parts[2:3] == source.parts[2:3]
    if not alike:
        raise Invalid(
            f"a pack of {source} does not go below {parent}",
            remedy="choose a parent in the same scope, for a user's tree at the same depth",
            details={"field": "parent", "root": str(source)},
        )
    check_place(target)
    return target


def check_place(uri: Uri) -> None:
    """Check that a pack may be imported here. Raises ``Invalid`` and ``Denied``."""
    p = uri.parts
    if len(p) > DEPTH_MAX:
        raise refused(f"{str(uri)[:120]} is deeper than {DEPTH_MAX} levels")
    if not p or p[0] not in SCOPES or (p[0] == "agent" and len(p) > 1 and p[1] not in AGENT_AREAS):
        raise Denied(f"{uri} is not writable", remedy="choose a place in viking://resources or in a user's tree")


def is_private(uri: Uri) -> bool:
    """True for private values of a user: only backups contain them, and they are never indexed."""
    return uri.parts[:1] == ("user",) and uri.parts[2:3] == ("privacy",)


def check_exportable(uri: Uri) -> None:
    """Check that an address is a complete subtree. Raises ``Invalid``."""
    p = uri.parts
    if not p or p == ("user",):
        raise Invalid(
            f"{uri} is not exported as a pack",
            remedy="export a directory in it, or make a backup of the account",
            details={"field": "uri"},
        )
    if is_private(uri):
        raise Invalid(
            f"{uri} holds private values, which are not exported",
            remedy="an administrator's backup of the account holds them",
            details={"field": "uri"},
        )
    if len(p) > 4 and p[0] == "user" and p[2] == "sessions":
        raise Invalid(f"{uri} is a part of a session", remedy="export the session", details={"field": "uri"})


def taken(uri: Uri) -> Conflict:
    """Return the error of ``on_conflict=fail``."""
    return Conflict(
        f"Already exists: {uri}",
        remedy="import with on_conflict overwrite or skip, or choose another place; nothing was changed",
        code="ALREADY_EXISTS",
        details={"resource": str(uri), "type": "pack", "field": "on_conflict"},
    )


def refused(reason: str, remedy: str = "send it again; if that does not help, export it again") -> Invalid:
    """Return the error for a pack that does not verify."""
    return Invalid(f"the pack is refused: {reason}", remedy=f"{remedy}; nothing was changed", details={"field": "pack"})
