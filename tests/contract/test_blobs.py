"""The contract of the blobs port, for every adapter."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from recalld.adapters.blobs.files import FileBlobs
from recalld.domain.errors import Corrupt, Upstream
from recalld.infra.thread_pool import Pool
from recalld.ports.blobs import Blobs
from tests.fakes.blobs import MemoryBlobs

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
    return [p for p in folder.rglob("*") if p.is_file() and p.name != ".lock"]


def _grow_old(folder: Path) -> None:
    for path in _files_in(folder):
        os.utime(path, (1, 1))


@pytest.mark.parametrize("data", [b"", b"a", LARGE], ids=["empty", "tiny", "large"])
async def test_put_returns_the_hash_that_get_takes(blobs: Blobs, data: bytes) -> None:
    name = await blobs.put(data)
    assert name == hashlib.sha256(data).hexdigest()
    assert blobs.has(name)
    assert await blobs.get(name) == data


@pytest.mark.parametrize("data", [b"", b"a", LARGE * 8], ids=["empty", "tiny", "large"])
async def test_blobs_are_streamed_in_bounded_pieces(blobs: Blobs, data: bytes) -> None:
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


async def test_a_missing_file_is_reported(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(Upstream, match="could not be stored"):
        await blobs.put_file(tmp_path / "nothing")


async def test_removal_leaves_other_blobs(blobs: Blobs, tmp_path: Path) -> None:
    stored, lost = await blobs.put(b"kept"), await blobs.put(b"lost")
    _grow_old(tmp_path / "blobs")
    assert await blobs.old(lost[:2], older_than_s=3_600) == [lost]
    assert await blobs.remove([lost], older_than_s=3_600) == [lost]
    assert (blobs.has(stored), blobs.has(lost)) == (True, False)


async def test_a_blob_set_aside_returns_when_read(blobs: Blobs, tmp_path: Path) -> None:
    name = await blobs.put(LARGE)
    _grow_old(tmp_path / "blobs")
    assert await blobs.set_aside([name], older_than_s=3_600) == 1
    assert not blobs.has(name)
    assert await blobs.aside(older_than_s=-60) == [name]
    assert await blobs.get(name) == LARGE
    assert blobs.has(name)
    assert await blobs.aside(older_than_s=-60) == []


async def test_a_blob_set_aside_can_be_restored_and_dropped(blobs: Blobs, tmp_path: Path) -> None:
    back, gone = await blobs.put(b"back"), await blobs.put(b"gone")
    _grow_old(tmp_path / "blobs")
    assert await blobs.set_aside([back, gone], older_than_s=3_600) == 2
    assert await blobs.take_back([back, "0" * 64]) == 1
    await blobs.drop_aside([gone])
    assert (blobs.has(back), await blobs.aside(older_than_s=-60)) == (True, [])
    with pytest.raises(Corrupt):
        await blobs.get(gone)


# ------------------------------------------------------------------ on a disk
async def test_a_damaged_file_does_not_verify(files: FileBlobs, tmp_path: Path) -> None:
    name = await files.put(LARGE)
    (path,) = _files_in(tmp_path / "blobs")
    path.write_bytes(LARGE[:-1] + bytes([LARGE[-1] ^ 1]))
    with pytest.raises(Corrupt, match="does not verify"):
        await files.get(name)


async def test_a_young_file_survives_a_sweep_that_does_not_know_it(files: FileBlobs) -> None:
    name = await files.put(LARGE)
    assert await files.old(name[:2], older_than_s=3_600) == []
    assert await files.remove([name], older_than_s=3_600) == []
    assert await files.set_aside([name], older_than_s=3_600) == 0
    assert files.has(name)


async def test_an_old_file_put_again_is_young_again(files: FileBlobs, tmp_path: Path) -> None:
    name = await files.put(LARGE)
    _grow_old(tmp_path / "blobs")
    await files.put(LARGE)
    assert await files.old(name[:2], older_than_s=3_600) == []
    assert await files.remove([name], older_than_s=3_600) == []
    assert await files.set_aside([name], older_than_s=3_600) == 0
    assert files.has(name)


async def test_an_old_upload_moved_in_is_young(files: FileBlobs, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(LARGE)
    os.utime(upload, (1, 1))
    name = await files.put_file(upload)
    assert await files.old(name[:2], older_than_s=3_600) == []
    assert await files.remove([name], older_than_s=3_600) == []
    assert await files.set_aside([name], older_than_s=3_600) == 0
    assert files.has(name)


async def test_half_written_files_of_a_power_cut_are_swept(files: FileBlobs, tmp_path: Path) -> None:
    name = await files.put(LARGE)
    (path,) = _files_in(tmp_path / "blobs")
    half = path.with_name(".0123.tmp")
    half.write_bytes(b"half")
    os.utime(half, (1, 1))
    assert await files.old(name[:2], older_than_s=3_600) == []
    assert _files_in(tmp_path / "blobs") == [path]


async def test_a_disk_error_is_reported_and_leaves_no_file(files: FileBlobs, tmp_path: Path) -> None:
    (tmp_path / "blobs").write_bytes(b"a file where the folder should be")
    with pytest.raises(Upstream, match="could not be stored"):
        await files.put(LARGE)


async def test_a_rename_that_fails_leaves_no_half_file(
    files: FileBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(Upstream, match="the disk is full"):
        await files.put(LARGE)
    assert _files_in(tmp_path / "blobs") == []


def test_asking_whether_it_is_there_opens_nothing(files: FileBlobs) -> None:
    assert files.has("0" * 64) is False


async def test_the_grace_period_starts_when_a_blob_is_set_aside(files: FileBlobs, tmp_path: Path) -> None:
    name = await files.put(LARGE)
    _grow_old(tmp_path / "blobs")
    await files.set_aside([name], older_than_s=3_600)
    assert await files.aside(older_than_s=3_600) == []
    os.utime(tmp_path / "lost+found" / name, (1, 1))
    assert await files.aside(older_than_s=3_600) == [name]


async def test_files_and_folders_are_their_owners_alone(files: FileBlobs, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        await files.put(LARGE)
        upload = tmp_path / "upload"
        upload.write_bytes(LARGE + b"2")
        await files.put_file(upload)
    finally:
        os.umask(before)
    assert {oct(p.stat().st_mode & 0o777) for p in (tmp_path / "blobs").rglob("*") if p.is_dir()} == {"0o700"}
    assert {oct(p.stat().st_mode & 0o777) for p in (tmp_path / "blobs").rglob("*") if p.is_file()} == {"0o600"}


async def test_a_put_of_what_is_there_makes_its_name_durable_too(
    files: FileBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await files.put(LARGE)
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(handle), real(handle))[1])
    await files.put(LARGE)
    assert len(synced) == 3
