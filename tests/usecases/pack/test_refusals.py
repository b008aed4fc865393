"""Packs that do not verify are refused and leave nothing in the store."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recalld.app.importing import PackOperations
from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Invalid, RecalldError
from tests.harness import Harness

DOCS = "viking://resources/docs"
MANIFEST = "docs/_ovpack/manifest.json"
Members = dict[str, bytes]


def packs(harness: Harness) -> PackOperations:
    return harness.engine.as_caller(Caller(role=Role.ROOT)).packs


async def members(harness: Harness) -> Members:
    await harness.write(f"{DOCS}/tea.md", "Ana drinks oolong at dawn.")
    await harness.write(f"{DOCS}/deep/cedar.md", "birch and cedar")
    await harness.settle()
    pack = await packs(harness).export(DOCS)
    with zipfile.ZipFile(pack.path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(found: Members) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in found.items():
            archive.writestr(name, data)
    return out.getvalue()


def with_manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[[Members], None]:
    """A pack whose manifest says something else."""

    def changed(found: Members) -> None:
        manifest = json.loads(found[MANIFEST])
        change(manifest)
        found[MANIFEST] = json.dumps(manifest).encode()

    return changed


def foreign(manifest: dict[str, Any], path: str) -> None:
    """A manifest of another program, whose overall hash is made in a way not known here."""
    del manifest["generator"]
    next(e for e in manifest["entries"] if e["kind"] == "file")["path"] = path


def twice(manifest: dict[str, Any]) -> None:
    del manifest["generator"]
    manifest["entries"].append(dict(manifest["entries"][-1]))


def below_a_file(manifest: dict[str, Any]) -> None:
    del manifest["generator"]
    manifest["entries"].append({"path": "tea.md/below", "kind": "directory"})


REFUSED: dict[str, Callable[[Members], Any]] = {
    "another version": with_manifest(lambda m: m.update(format_version=2)),
    "another kind": with_manifest(lambda m: m.update(kind="zip")),
    "no hash over all": with_manifest(lambda m: m.update(content_sha256="")),
    "a wrong hash over all": with_manifest(lambda m: m.update(content_sha256="0" * 64)),
    "a wrong hash": with_manifest(lambda m: (m.pop("generator"), m["entries"][-1].update(sha256="0" * 64))),
    "a wrong size": with_manifest(lambda m: (m.pop("generator"), m["entries"][-1].update(size=1))),
    "a size that is none": with_manifest(lambda m: (m.pop("generator"), m["entries"][-1].update(size=-1))),
    "an unknown kind of entry": with_manifest(lambda m: (m.pop("generator"), m["entries"][-1].update(kind="link"))),
    "a path that leads up": with_manifest(lambda m: foreign(m, "../tea.md")),
    "an absolute path": with_manifest(lambda m: foreign(m, "/tea.md")),
    "a path with a backslash": with_manifest(lambda m: foreign(m, "a\\tea.md")),
    "an entry twice": with_manifest(twice),
    "an entry below a file": with_manifest(below_a_file),
    "another root": with_manifest(lambda m: m["root"].update(name="other")),
    "a root in no scope": with_manifest(lambda m: m["root"].update(uri="viking://temp/docs")),
    "a root that is no address": with_manifest(lambda m: m["root"].update(uri="/etc")),
    "too few index records": with_manifest(lambda m: m["index"]["records"].update(count=1)),
    "a file the manifest does not name": lambda found: found.update({"docs/files/more.md": b"more"}),
    "a file beside the root": lambda found: found.update({"more.md": b"more"}),
    "a file missing": lambda found: found.pop("docs/files/tea.md"),
    "a file changed": lambda found: found.update({"docs/files/tea.md": b"Ana drinks coffee at dawn."}),
    "records changed": lambda found: found.update({"docs/_ovpack/index_records.jsonl": b"{}\n"}),
    "no manifest": lambda found: found.pop(MANIFEST),
    "a manifest that is not JSON": lambda found: found.update({MANIFEST: b"{"}),
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
async def test_a_pack_that_does_not_verify_changes_nothing(
    harness: Harness, tmp_path: Path, change: Callable[[Members], Any]
) -> None:
    found = await members(harness)
    change(found)
    (tmp_path / "pack.zip").write_bytes(zipped(found))
    state = await harness.state()
    with pytest.raises(Invalid):
        await packs(harness).import_(tmp_path / "pack.zip", "viking://resources/elsewhere")
    assert await harness.state() == state


async def test_a_pack_with_a_flipped_bit_is_refused_or_the_same(harness: Harness, tmp_path: Path) -> None:
    whole = zipped(await members(harness))
    brought = 0
    for at in range(0, len(whole), max(1, len(whole) // 61)):
        (tmp_path / "pack.zip").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        place = f"viking://resources/at{at}"
        state = await harness.state()
        try:
            await packs(harness).import_(tmp_path / "pack.zip", place)
        except RecalldError:
            assert await harness.state() == state
            continue
        brought += 1
        assert await harness.engine.read(f"{place}/docs/tea.md") == "Ana drinks oolong at dawn."
    assert brought < 20


async def test_a_foreign_pack_is_taken_by_its_files_hashes(harness: Harness, tmp_path: Path) -> None:
    found = await members(harness)
    with_manifest(lambda m: (m.pop("generator"), m.update(content_sha256="1" * 64)))(found)
    (tmp_path / "pack.zip").write_bytes(zipped(found))
    did = await packs(harness).import_(tmp_path / "pack.zip", "viking://resources/elsewhere")
    assert did.files == 2


async def test_words_that_mean_nothing_are_named(harness: Harness, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="on_conflict"):
        await packs(harness).import_(tmp_path / "pack.zip", "viking://resources", on_conflict="merge")
    with pytest.raises(Invalid, match="vector_mode"):
        await packs(harness).import_(tmp_path / "pack.zip", "viking://resources", vector_mode="some")


async def test_a_pack_is_imported_and_a_backup_restored(harness: Harness, tmp_path: Path) -> None:
    await members(harness)
    pack, backup = await packs(harness).export(DOCS), await packs(harness).backup()
    state = await harness.state()
    with pytest.raises(Invalid, match="not a backup"):
        await packs(harness).restore(pack.path)
    with pytest.raises(Invalid, match="restore"):
        await packs(harness).import_(backup.path, "viking://resources")
    assert await harness.state() == state
