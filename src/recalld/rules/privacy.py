"""Private values in the tree: names, and files to and from JSON."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Any

from recalld.domain.errors import Corrupt, Invalid
from recalld.domain.privacy import PrivacyMeta, PrivacyVersion

META_FILE = "meta.json"
VERSIONS_MAX = 9_999
VALUES_BYTES_MAX = 65_536
REASON_CHARS_MAX = 1_000
RESERVED = frozenset({"tree", "resolve", "scan"})
"""Names that are routes and cannot be categories."""
_NAME = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_.@-]{0,127}")
_VERSION_FILE = re.compile(r"v(\d{4})\.json")


def privacy_name(text: str, field: str) -> str:
    """Return a category or key if it is valid. Raises ``Invalid``."""
    if not _NAME.fullmatch(text) or (field == "category" and text in RESERVED):
        raise Invalid(
            f"{field} {text[:80]!r} cannot be used",
            remedy="letters, digits and _ . @ - (not first: . and -), at most 128; not tree, resolve or scan",
            details={"field": field},
        )
    return text


def version_file(version: int) -> str:
    """Return the file name of a version: ``v0001.json``."""
    return f"v{version:04d}.json"


def version_of(name: str) -> int:
    """Return the version of a file name, 0 if it is none."""
    found = _VERSION_FILE.fullmatch(name)
    return int(found[1]) if found else 0


def written(value: PrivacyMeta | PrivacyVersion) -> bytes:
    """Serialise a file. Raises ``Invalid`` if the value is not JSON or too large."""
    try:
        data = (json.dumps(asdict(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError, RecursionError) as bad:
        raise Invalid(
            "values contain something that is not JSON", remedy="send texts, numbers, lists and objects"
        ) from bad
    if len(data) > VALUES_BYTES_MAX:
        raise Invalid(
            f"values come to {len(data)} bytes",
            remedy=f"at most {VALUES_BYTES_MAX}",
            code="RESOURCE_EXHAUSTED",
            details={"field": "values"},
        )
    return data


def read_meta(data: bytes) -> PrivacyMeta:
    """Parse the output of ``written``. Raises ``Corrupt``."""
    return PrivacyMeta(**_read(data, PrivacyMeta))


def read_version(data: bytes) -> PrivacyVersion:
    """Parse the output of ``written``. Raises ``Corrupt``."""
    return PrivacyVersion(**_read(data, PrivacyVersion))


def _read(data: bytes, kind: type) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError as bad:
        raise _unreadable() from bad
    if not isinstance(found, dict) or set(found) != set(kind.__dataclass_fields__):  # type: ignore[attr-defined]
        raise _unreadable()
    return found


def _unreadable() -> Corrupt:
    return Corrupt("a file of private values is damaged", remedy="send the values again")
