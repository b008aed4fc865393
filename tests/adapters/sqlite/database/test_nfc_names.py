"""A store with names that are not NFC is migrated to NFC."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from recalld.adapters.sqlite.database.connection import connect
from recalld.adapters.sqlite.database.migration import migrate
from recalld.adapters.sqlite.database.nfc_names import normalize_names
from recalld.adapters.sqlite.database.schema import MIGRATIONS, SCHEMA_VERSION
from recalld.domain.history import LogFilter
from tests.harness import harness_at

LOOSE, TIGHT = (unicodedata.normalize(form, "Café.md") for form in ("NFD", "NFC"))
FOLDER = unicodedata.normalize("NFD", "Zürich")
ROOT = "viking://resources/docs"


def age(folder: Path, *names: tuple[str, str]) -> None:
    """Give a store other names, and let the step that composes names migrate it."""
    c = connect(folder / "recalld.db", readonly=False)
    for now, then in names:
        c.execute("UPDATE node SET name = ? WHERE name = ?", (then, now)).fetchall()
    c.execute("PRAGMA user_version = 4").fetchall()
    assert migrate(c, folder / "recalld.db", steps={step: MIGRATIONS[step] for step in range(1, 6)})
    c.execute(f"PRAGMA user_version = {SCHEMA_VERSION}").fetchall()  # whose tables it has already
    c.close()


@pytest.mark.loop_may_block  # an old store is made with the loop at hand
async def test_names_of_an_old_store_are_found_by_either_spelling(tmp_path: Path) -> None:
    async with harness_at(tmp_path) as harness:
        await harness.write(f"{ROOT}/folder/cafe.md", "Opens at seven.")
        await harness.settle()
        before = (await harness.engine.stat(f"{ROOT}/folder/cafe.md")).id
    age(tmp_path, ("cafe.md", LOOSE), ("folder", FOLDER))
    async with harness_at(tmp_path) as harness:
        for name in (LOOSE, TIGHT):
            assert (await harness.engine.stat(f"{ROOT}/{FOLDER}/{name}")).id == before
        assert await harness.found("seven") == [f"{ROOT}/Zürich/{TIGHT}"]
        past = harness.ports.history.past(harness.engine.caller)
        moves = (await past.log(LogFilter(ops=("move",)), limit=1_000)).entries
        assert moves[0].uri == f"{ROOT}/Zürich/{TIGHT}"


@pytest.mark.loop_may_block  # as above
async def test_two_spellings_of_one_name_stay_two_files(tmp_path: Path) -> None:
    async with harness_at(tmp_path) as harness:
        await harness.write(f"{ROOT}/{TIGHT}", "composed")
        await harness.write(f"{ROOT}/cafe.md", "loose")
    age(tmp_path, ("cafe.md", LOOSE))
    async with harness_at(tmp_path) as harness:
        assert await harness.texts_below(ROOT) == {TIGHT: "composed", "Café_1.md": "loose"}


def test_a_new_store_has_nothing_to_compose(tmp_path: Path) -> None:
    c = connect(tmp_path / "new.db", readonly=False)
    assert not migrate(c, tmp_path / "new.db")
    assert normalize_names(c) == 0
