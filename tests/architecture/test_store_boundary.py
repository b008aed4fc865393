"""SQLite is an adapter: no other package knows its library."""

from __future__ import annotations

from pathlib import Path

import recalld

SOURCE = Path(recalld.__file__).parent
STORE = SOURCE / "adapters" / "sqlite"


def test_apsw_is_imported_by_the_sqlite_adapter_alone() -> None:
    importers = [p for p in SOURCE.rglob("*.py") if "import apsw" in p.read_text(encoding="utf-8")]
    assert [p for p in importers if not p.is_relative_to(STORE)] == []
    assert importers
