"""The disk reserve: allocated, released at once, and allocated again only while enough space stays free."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import apsw
import pytest

from recalld.adapters.sqlite.database import reserve as module
from recalld.adapters.sqlite.database.reserve import FILE_NAME, Reserve, is_full

SIZE = 1 << 20


def test_it_takes_room_of_the_disk_and_is_the_owners_alone(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, SIZE)
    assert reserve.keep()
    file = (tmp_path / FILE_NAME).stat()
    assert reserve.reserved() == SIZE <= file.st_blocks * 512
    assert file.st_mode & 0o777 == 0o600


def test_a_released_reserve_is_usable_until_it_is_set_aside_again(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, SIZE)
    assert not reserve.is_used()
    assert not reserve.release()
    reserve.keep()
    assert reserve.release()
    assert Reserve(tmp_path, SIZE).is_used()
    assert reserve.keep()
    assert not reserve.is_used()


def test_nothing_is_taken_of_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = Reserve(tmp_path, SIZE)
    monkeypatch.setattr(reserve, "free", lambda: 2 * SIZE - 1)
    assert not reserve.keep()
    assert not (tmp_path / FILE_NAME).exists()


def test_without_a_size_there_is_none(tmp_path: Path) -> None:
    Reserve(tmp_path, SIZE).keep()
    assert Reserve(tmp_path, 0).keep()
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize("was_there", [False, True])
def test_a_quota_that_refuses_leaves_nothing_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_there: bool
) -> None:
    reserve = Reserve(tmp_path, SIZE)
    if was_there:
        reserve.keep()
        reserve.release()

    def refuse(path: Path, size: int) -> None:
        path.write_bytes(b"x" * 100)
        raise OSError(errno.EDQUOT, "Quota exceeded")

    monkeypatch.setattr(module, "_allocate", refuse)
    assert not reserve.keep()
    assert reserve.reserved() == 0
    assert reserve.is_used() == was_there


def test_without_fallocate_the_space_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    reserve = Reserve(tmp_path, SIZE + 1)
    assert reserve.keep()
    assert reserve.reserved() == SIZE + 1


def test_a_quota_counts_as_a_full_disk_and_a_bad_sector_does_not() -> None:
    assert is_full(apsw.FullError())
    refused = apsw.IOError()
    refused.extendedresult = apsw.SQLITE_IOERR_WRITE  # type: ignore[attr-defined]
    assert is_full(refused, errno.EDQUOT)
    assert not is_full(refused, errno.EIO)
    refused.extendedresult = apsw.SQLITE_IOERR_SHMSIZE  # type: ignore[attr-defined]
    assert is_full(refused)
