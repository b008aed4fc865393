"""SQLite is an adapter: no other package knows its library."""

from __future__ import annotations

from pathlib import Path

import recalld

SOURCE = Path(recalld.__file__).parent
STORE = SOURCE / "adapters" / "sqlite"
INDEXES = tuple(SOURCE / "adapters" / name for name in ("catalog", "lexicon", "vectors"))


def test_apsw_is_imported_by_the_sqlite_adapter_alone() -> None:
    importers = [p for p in SOURCE.rglob("*.py") if "import apsw" in p.read_text(encoding="utf-8")]
    assert [p for p in importers if not any(p.is_relative_to(top) for top in (STORE, *INDEXES))] == []
    assert importers
