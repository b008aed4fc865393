"""An interrupted import can be repeated; an interrupted export leaves no file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from recalld.app.importing import PackOperations
from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit, Receipt
from recalld.domain.errors import Busy, NotFound
from recalld.domain.pack import ImportedPack
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tenant
from recalld.usecases.pack.import_ import PackImportRequest, restore
from tests.harness import Harness, harness_at

ROOT = Caller(role=Role.ROOT)
DOCS = "viking://resources/docs"


@dataclass
class Breaking:
    """A ledger that takes so many commits and refuses from then on, as one does whose server was stopped."""

    inner: Any
    left: int

    def tenant(self, caller: Caller) -> Any:
        return BreakingTenant(self.inner.tenant(caller), self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass
class BreakingTenant:
    inner: Tenant
    of: Breaking

    async def commit(self, commit: Commit, **options: Any) -> Receipt:
        if not self.of.left:
            raise Busy("stopped")
        self.of.left -= 1
        return await self.inner.commit(commit, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Harness]:
    async with harness_at(tmp_path / "there") as harness:
        yield harness


def packs(harness: Harness) -> PackOperations:
    return harness.engine.as_caller(ROOT).packs


async def furnish(harness: Harness) -> None:
    for n in range(3):
        await harness.write(f"{DOCS}/part{n}/page.md", f"page {n} of oolong " * 1_500)
    for n in range(2):
        await harness.append("trip", *(f"turn {n} {k}" for k in range(3)))
        await harness.commit("trip")
        await harness.settle()
    await harness.append("trip", "the last word")
    await harness.settle()


async def brought(there: Harness, pack: Path, ports: Ports, on_conflict: str) -> ImportedPack:
    return await restore(PackImportRequest(pack, on_conflict), ROOT, ports)  # type: ignore[arg-type]


async def test_an_import_stopped_after_any_commit_is_completed_by_a_second_one(
    harness: Harness, tmp_path: Path
) -> None:
    await furnish(harness)
    pack = (await packs(harness).backup()).path
    wanted = await harness.texts_below(DOCS)
    before = await harness.ports.ledger.tenant(ROOT).messages("trip")
    stopped = True
    commits = 0
    while stopped:
        async with harness_at(tmp_path / f"stopped{commits}") as there:
            broken = replace(there.ports, ledger=Breaking(there.ports.ledger, commits))
            try:
                await brought(there, pack, broken, "fail")
                stopped = False
            except Busy:
                await packs(there).restore(pack, on_conflict="overwrite")
            await there.settle()
            assert await there.texts_below(DOCS) == wanted
            after = await there.ports.ledger.tenant(ROOT).messages("trip")
            assert [(m.id, m.archive) for m in after] == [(m.id, m.archive) for m in before]
            archives = await there.ports.ledger.tenant(ROOT).archives("trip")
            assert [(a.state, a.message_count) for a in archives] == [("done", 3), ("done", 3)]
        commits += 1
    assert commits > 6


async def test_an_export_that_ends_early_leaves_no_file(harness: Harness) -> None:
    await furnish(harness)

    class Vanishing(Breaking):
        def tenant(self, caller: Caller) -> Any:
            return VanishingTenant(self.inner.tenant(caller), self)

    class VanishingTenant(BreakingTenant):
        async def read(self, uri: Any) -> bytes:
            raise Busy("too much at once")

    ports = replace(harness.ports, ledger=Vanishing(harness.ports.ledger, 0))
    with pytest.raises(Busy):
        await PackOperations(ports, ROOT).export(DOCS)
    assert list(harness.ports.uploads.glob("pack_*")) == []


async def test_files_that_vanish_during_an_export_are_left_out(harness: Harness) -> None:
    await furnish(harness)

    class Vanishing(Breaking):
        def tenant(self, caller: Caller) -> Any:
            return VanishingTenant(self.inner.tenant(caller), self)

    class VanishingTenant(BreakingTenant):
        async def read(self, uri: Any) -> bytes:
            if "part1" in str(uri):
                raise NotFound("gone")
            return await self.inner.read(uri)

    ports = replace(harness.ports, ledger=Vanishing(harness.ports.ledger, 0))
    pack = await PackOperations(ports, ROOT).export(DOCS)
    with zipfile.ZipFile(pack.path) as archive:
        listed = [e["path"] for e in json.loads(archive.read("docs/_ovpack/manifest.json"))["entries"]]
    assert "part0/page.md" in listed
    assert "part1/page.md" not in listed
    assert (await packs(harness).import_(pack.path, "viking://resources/again")).files == 2
