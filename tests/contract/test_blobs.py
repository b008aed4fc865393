"""Every adapter of the blobs' door keeps the same promises."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from recalld.adapters.blobs.files import FileBlobs
from recalld.adapters.blobs.memory import MemoryBlobs
from recalld.domain.errors import Corrupt, Upstream
from recalld.infra.offload import Pool
from recalld.ports.blobs import Blobs

LARGE = os.urandom(300_000)


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool("blobs", running_max=4, waiting_max=64)
    yield pool
    pool.close()


# The twin reads a file where it is asked: it is for tests alone.
@pytest.fixture(params=["files", pytest.param("memory", marks=pytest.mark.loop_may_block)])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, pool: Pool) -> Blobs:
    return FileBlobs(tmp_path / "blobs", pool) if request.param == "files" else MemoryBlobs()


@pytest.fixture
def files(tmp_path: Path, pool: Pool) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs", pool)


def _files_in(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]


def _grow_old(folder: Path) -> None:
    for path in _files_in(folder):
        os.utime(path, (1, 1))


@pytest.mark.parametrize("data", [b"", b"a", LARGE], ids=["empty", "tiny", "large"])
async def test_what_was_put_is_got_by_its_hash(blobs: Blobs, data: bytes) -> None:
    name = await blobs.put(data)
    assert name == hashlib.sha256(data).hexdigest()
    assert blobs.has(name)
    assert await blobs.get(name) == data


@pytest.mark.parametrize("data", [b"", b"a", LARGE * 8], ids=["empty", "tiny", "large"])
async def test_what_was_put_comes_in_bounded_pieces(blobs: Blobs, data: bytes) -> None:
    name = await blobs.put(data)
    pieces = [piece async for piece in blobs.pieces(name)]
    assert b"".join(pieces) == data
    assert max(map(len, pieces), default=0) <= 1 << 20


async def test_pieces_of_what_is_missing_are_refused_before_the_first(blobs: Blobs) -> None:
    with pytest.raises(Corrupt):
        await anext(blobs.pieces("0" * 64))


@pytest.mark.parametrize("times", [1, 8])
async def test_pieces_that_do_not_verify_never_come_to_an_end(files: FileBlobs, tmp_path: Path, times: int) -> None:
    data = LARGE * times
    name = await files.put(data)
    (path,) = _files_in(tmp_path / "blobs")
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    got = 0
    with pytest.raises(Corrupt):
        async for piece in files.pieces(name):
            got += len(piece)
    assert got < len(data)


async def test_putting_twice_is_putting_once(blobs: Blobs) -> None:
    names = await asyncio.gather(*[blobs.put(LARGE) for _ in range(8)])
    assert set(names) == {hashlib.sha256(LARGE).hexdigest()}
    assert await blobs.get(names[0]) == LARGE


async def test_a_missing_one_is_corruption_not_emptiness(blobs: Blobs) -> None:
    absent = hashlib.sha256(b"never").hexdigest()
    assert not blobs.has(absent)
    with pytest.raises(Corrupt, match="missing"):
        await blobs.get(absent)


async def test_a_file_is_moved_in_not_copied(blobs: Blobs, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(LARGE)
    name = await blobs.put_file(upload)
    assert not upload.exists()
    assert await blobs.get(name) == LARGE


async def test_a_file_whose_bytes_are_there_already_goes_too(blobs: Blobs, tmp_path: Path) -> None:
    name = await blobs.put(LARGE)
    upload = tmp_path / "upload"
    upload.write_bytes(LARGE)
    assert await blobs.put_file(upload) == name
    assert not upload.exists()


async def test_a_file_that_is_not_there_is_said(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(Upstream, match="could not be stored"):
        await blobs.put_file(tmp_path / "nothing")


async def test_a_sweep_takes_what_nothing_knows(blobs: Blobs, tmp_path: Path) -> None:
    kept, lost = await blobs.put(b"kept"), await blobs.put(b"lost")
    _grow_old(tmp_path / "blobs")
    assert await blobs.sweep(known=frozenset({kept}), older_than_s=3_600) == 1
    assert (blobs.has(kept), blobs.has(lost)) == (True, False)


# ------------------------------------------------------------------ on a disk
async def test_a_damaged_file_does_not_verify(files: FileBlobs, tmp_path: Path) -> None:
    name = await files.put(LARGE)
    (path,) = _files_in(tmp_path / "blobs")
    path.write_bytes(LARGE[:-1] + bytes([LARGE[-1] ^ 1]))
    with pytest.raises(Corrupt, match="does not verify"):
        await files.get(name)


async def test_a_young_file_survives_a_sweep_that_does_not_know_it(files: FileBlobs) -> None:
    name = await files.put(LARGE)
    assert await files.sweep(known=frozenset(), older_than_s=3_600) == 0
    assert files.has(name)


async def test_an_old_file_put_again_is_young_again(files: FileBlobs, tmp_path: Path) -> None:
    name = await files.put(LARGE)
    _grow_old(tmp_path / "blobs")
    await files.put(LARGE)
    assert await files.sweep(known=frozenset(), older_than_s=3_600) == 0
    assert files.has(name)


async def test_an_old_upload_moved_in_is_young(files: FileBlobs, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(LARGE)
    os.utime(upload, (1, 1))
    name = await files.put_file(upload)
    assert await files.sweep(known=frozenset(), older_than_s=3_600) == 0
    assert files.has(name)


async def test_what_a_power_cut_left_half_written_is_swept(files: FileBlobs, tmp_path: Path) -> None:
    name = await files.put(LARGE)
    (path,) = _files_in(tmp_path / "blobs")
    half = path.with_name(".0123.tmp")
    half.write_bytes(b"half")
    os.utime(half, (1, 1))
    await files.sweep(known=frozenset({name}), older_than_s=3_600)
    assert _files_in(tmp_path / "blobs") == [path]


async def test_a_disk_that_refuses_is_said_and_leaves_nothing(files: FileBlobs, tmp_path: Path) -> None:
    (tmp_path / "blobs").write_bytes(b"a file where the folder should be")
    with pytest.raises(Upstream, match="could not be stored"):
        await files.put(LARGE)


async def test_a_rename_that_fails_leaves_no_half_file(
    files: FileBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(Upstream, match="No space left"):
        await files.put(LARGE)
    assert _files_in(tmp_path / "blobs") == []


def test_asking_whether_it_is_there_opens_nothing(files: FileBlobs) -> None:
    assert files.has("0" * 64) is False
