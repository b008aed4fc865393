"""A data folder before its store is opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from recalld.adapters.sqlite.database.connection import data_dir_error, lock_data_dir
from recalld.adapters.sqlite.database.data_dir import own_files, prepare_data_dir, reset_data_dir
from recalld.adapters.sqlite.database.store import Store
from recalld.domain.errors import Conflict, Corrupt, Denied, Invalid, RecalldError, Upstream
from recalld.infra.file_permissions import accessible_to_others

pytestmark = pytest.mark.loop_may_block  # no loop here


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A closed store."""
    folder = tmp_path / "data"
    Store(folder / "recalld.db").close()
    return folder


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def a_blob(folder: Path, name: str = "ab" * 32) -> Path:
    path = folder / "blobs" / name[:2] / name[2:4] / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"content")
    return path


def modes(folder: Path) -> set[tuple[str, str]]:
    return {(oct(stat.S_IMODE(p.stat().st_mode)), "d" if p.is_dir() else "f") for p in own_files(folder) if p.exists()}


# ------------------------------------------------------------------ a database that has gone
@pytest.mark.parametrize("state", ["missing", "empty", "without tables"])
def test_a_folder_with_content_and_no_database_is_no_new_store(data: Path, state: str) -> None:
    blob, path = a_blob(data), data / "recalld.db"
    path.unlink()
    if state == "empty":
        path.write_bytes(b"")
    if state == "without tables":
        c = apsw.Connection(str(path))
        c.execute("PRAGMA user_version = 0; CREATE TABLE t (a); DROP TABLE t")
        c.close()
    with pytest.raises(Corrupt, match=r"1 files of content.*begin_new_store"):
        Store(path)
    assert blob.read_bytes() == b"content"


def test_a_write_ahead_log_without_its_database_is_kept(data: Path) -> None:
    wal = data / "recalld.db-wal"
    (data / "recalld.db").unlink()
    wal.write_bytes(b"commits that were acknowledged")
    with pytest.raises(Corrupt, match="recalld.db-wal is there"):
        Store(data / "recalld.db")
    assert wal.read_bytes() == b"commits that were acknowledged"


def test_a_copy_made_before_a_migration_is_named_as_the_way_back(data: Path) -> None:
    (data / "recalld.db").rename(data / "recalld.db.schema-2")
    with pytest.raises(Corrupt, match=r"from recalld\.db\.schema-2"):
        Store(data / "recalld.db")


@pytest.mark.parametrize("left", [[], ["lock"], ["recalld.db"], ["blobs/ab/cd/.0123.tmp"]])
def test_a_folder_without_content_is_a_new_store(tmp_path: Path, left: list[str]) -> None:
    for name in left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    Store(tmp_path / "recalld.db").close()


def test_a_new_store_can_be_begun_and_keeps_what_was_there(data: Path) -> None:
    blob = a_blob(data)
    (data / "recalld.db").unlink()
    os.utime(blob, (1, 1))
    assert reset_data_dir(data / "recalld.db") == 1
    aside = data / "lost+found" / blob.name
    assert aside.read_bytes() == b"content"
    assert aside.stat().st_mtime > 1_000  # its 30 days begin now
    Store(data / "recalld.db").close()


def test_a_database_that_is_there_is_never_set_aside(data: Path) -> None:
    with pytest.raises(Conflict, match="something in it"):
        reset_data_dir(data / "recalld.db")


# ------------------------------------------------------------------ who may read it
def test_all_that_is_made_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    os.umask(0o022 if umask == 0o777 else umask)
    home = tmp_path / "home"
    home.mkdir()
    os.umask(umask)
    store = Store(home / "data" / "recalld.db")
    try:
        assert modes(home / "data") == {("0o700", "d"), ("0o600", "f")}
        assert {p.name for p in (home / "data").iterdir()} == {"lock", "recalld.db", "recalld.db-wal", "recalld.db-shm"}
    finally:
        store.close()


def test_an_open_folder_is_closed_with_all_that_is_in_it(data: Path) -> None:
    blob = a_blob(data)
    for path in own_files(data):
        if path.exists():
            path.chmod(0o777 if path.is_dir() else 0o664)
    Store(data / "recalld.db").close()
    assert modes(data) == {("0o700", "d"), ("0o600", "f")}
    assert blob.read_bytes() == b"content"


def test_a_folder_that_holds_other_things_stays_open_and_its_own_files_do_not(data: Path) -> None:
    (data / "notes.txt").write_text("the user's")
    (data / "notes.txt").chmod(0o644)
    data.chmod(0o755)
    (data / "recalld.db").chmod(0o644)
    Store(data / "recalld.db").close()
    assert [oct(stat.S_IMODE(p.stat().st_mode)) for p in (data, data / "notes.txt", data / "recalld.db")] == [
        "0o755",
        "0o644",
        "0o600",
    ]


def test_a_link_out_of_the_folder_is_not_followed(data: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    for path in (outside, outside / "file"):
        path.chmod(0o755)
    (data / "blobs").symlink_to(outside)
    data.chmod(0o755)
    Store(data / "recalld.db").close()
    assert stat.S_IMODE((outside / "file").stat().st_mode) == 0o755


def test_a_folder_whose_modes_cannot_be_changed_opens_and_warns_once(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    data.chmod(0o777)
    (data / "recalld.db").chmod(0o666)
    monkeypatch.setattr(Path, "chmod", refuse)
    Store(data / "recalld.db").close()
    assert caplog.text.count("its permissions cannot be changed") == 1
    assert "data" in {p.name for p in accessible_to_others(own_files(data))}


# ------------------------------------------------------------------ what cannot be opened
def test_a_folder_that_is_a_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    for place in (tmp_path / "data", tmp_path / "data" / "below"):
        with pytest.raises(Invalid, match="is a file"):
            Store(place / "recalld.db")


@pytest.mark.parametrize(
    ("number", "family"), [(13, Denied), (1, Denied), (30, Upstream), (17, Invalid), (28, Upstream), (2, Upstream)]
)
def test_folder_errors_have_a_family_and_a_remedy(number: int, family: type[RecalldError]) -> None:
    failure = data_dir_error(Path("/data"), OSError(number, os.strerror(number)))
    assert isinstance(failure, family)
    assert failure.remedy


def test_a_folder_that_cannot_be_made_is_refused_in_words() -> None:
    with pytest.raises(Upstream, match="/proc/recalld cannot be used"):
        lock_data_dir(Path("/proc/recalld"))


def damaged_header(data: bytes) -> bytes:
    return b"\xff" * 100 + data[100:]


def cut_in_half(data: bytes) -> bytes:
    return data[: len(data) // 2 // 4096 * 4096]


@pytest.mark.parametrize("damage", [damaged_header, cut_in_half])
def test_a_damaged_file_is_refused_in_words_and_unlocked(data: Path, damage: object) -> None:
    path = data / "recalld.db"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(Corrupt, match="damaged|cut short"):
        Store(path)
    os.close(lock_data_dir(data))


def test_a_last_page_that_lacks_some_bytes_is_no_reason_not_to_start(data: Path) -> None:
    path = data / "recalld.db"
    path.write_bytes(path.read_bytes()[:-100])
    Store(path).close()


def test_a_directory_where_the_database_should_be_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "recalld.db").mkdir()
    with pytest.raises(RecalldError):
        Store(tmp_path / "recalld.db")


def test_leftovers_of_a_killed_backup_are_removed_at_start(data: Path) -> None:
    (data / "uploads").mkdir()
    left = [data / "uploads" / "pack_1.ovpack.part", data / "uploads" / "upload_1.part"]
    for path in (*left, data / "uploads" / "upload_2.md"):
        path.write_bytes(b"whole accounts")
    prepare_data_dir(data / "recalld.db")
    assert [p.name for p in (data / "uploads").iterdir()] == ["upload_2.md"]
